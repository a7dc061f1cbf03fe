package watch

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

func podList(names ...string) *corev1.PodList {
	list := &corev1.PodList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"},
		ListMeta: metav1.ListMeta{ResourceVersion: "4711", Continue: "more"},
	}
	for _, name := range names {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-" + metav1.ObjectMeta{}.UID}}
		p.Spec.Containers = []corev1.Container{{Name: "api", Image: strings.Repeat("x", 3000)}}
		list.Items = append(list.Items, p)
	}
	return list
}

// encoded is a list as the API server sends it.
func encoded(t testing.TB, list runtime.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(list, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// names reads the names of the pods of a list.
func names(r io.Reader) ([]string, metav1.ListMeta, error) {
	var got []string
	m, err := streamList(r, func(raw []byte) error {
		var p corev1.Pod
		if err := p.Unmarshal(raw); err != nil {
			return err
		}
		got = append(got, p.Name)
		return nil
	}, func(o runtime.Object) error {
		got = append(got, o.(*corev1.Pod).Name)
		return nil
	})
	return got, m, err
}

func TestStreamListHandsOutItemsOneByOne(t *testing.T) {
	want := []string{"api-0", "api-1", "api-2"}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with the end": iotest.DataErrReader,
	} {
		got, m, err := names(wrap(bytes.NewReader(encoded(t, podList(want...)))))
		if err != nil || !cmp.Equal(got, want) || m.ResourceVersion != "4711" || m.Continue != "more" {
			t.Errorf("%s: %v %v %v", name, got, m, err)
		}
	}
}

func TestStreamListReadsAnEmptyListAndJSON(t *testing.T) {
	got, m, err := names(bytes.NewReader(encoded(t, podList())))
	if err != nil || len(got) != 0 || m.ResourceVersion != "4711" {
		t.Errorf("empty list: %v %v %v", got, m, err)
	}
	got, m, err = names(strings.NewReader(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"web"}}]}`))
	if err != nil || !cmp.Equal(got, []string{"web"}) || m.ResourceVersion != "9" {
		t.Errorf("JSON: %v %v %v", got, m, err)
	}
}

// A list that ends too early must never pass for a complete one: the rows it
// lacks would be swept away.
func TestStreamListNoticesEveryCut(t *testing.T) {
	whole := encoded(t, podList("api-0", "api-1"))
	tail := 4 // contentEncoding and contentType, empty, follow the list
	for n := range len(whole) - tail {
		if _, _, err := names(bytes.NewReader(whole[:n])); err == nil {
			t.Fatalf("cut after %d of %d bytes: no error", n, len(whole))
		}
	}
	lost := errors.New("connection lost")
	if _, _, err := names(io.MultiReader(bytes.NewReader(whole[:200]), iotest.ErrReader(lost))); !errors.Is(err, lost) {
		t.Errorf("the reader's error is kept: %v", err)
	}
}

func TestStreamListRefusesWhatIsNoList(t *testing.T) {
	for name, body := range map[string]string{
		"login page":   "<html><body>Sign in</body></html>",
		"nothing":      "",
		"wrong wire":   magic + "\x08\x01",
		"huge field":   magic + "\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
		"item outside": magic + "\x12\x04\x12\x20abc",
		"huge item":    magic + "\x12\xff\xff\xff\xff\x0f\x12\xff\xff\xff\xff\x0e",
		"JSON object":  `{"kind":"Pod","apiVersion":"v1"}`,
		"half JSON":    `{"kind":"PodList","apiVersion":"v1","items":[`,
	} {
		if _, _, err := names(strings.NewReader(body)); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s: not one readable line: %v", name, err)
		}
	}
}

func FuzzStreamList(f *testing.F) {
	f.Add(encoded(f, podList("api-0", "api-1")))
	f.Add([]byte(magic + "\x12\x04\x12\x02\x0a\x00"))
	f.Add([]byte(`{"kind":"PodList","apiVersion":"v1","items":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		total := 0
		_, err := streamList(bytes.NewReader(body), func(raw []byte) error {
			total += len(raw)
			return nil
		}, func(runtime.Object) error { return nil })
		if err == nil && total > len(body) {
			t.Fatalf("handed out %d bytes of %d", total, len(body))
		}
	})
}
