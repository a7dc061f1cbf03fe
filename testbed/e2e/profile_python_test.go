//go:build !scale

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
)

// testPythonMemory asks a tracemalloc endpoint that wants a header of its own,
// with no key, a wrong one and the right one, with a screen and without.
func testPythonMemory(t *testing.T) {
	c := onPod(t, "spot-6")
	c.see(20*time.Second, "asks for a key")
	c.send("K", "Key for spot-6")
	c.answer("api-key: wrong", "Key for spot-6")
	c.see(20*time.Second, "the key was not accepted")
	c.send("K", "Key for spot-6")
	c.answer("api-key: s3cr3t", "Key for spot-6")
	c.see(20*time.Second, "✓ py-memory")
	c.send(enter)
	c.see(30*time.Second, "flat-only", "app.py")
	c.send("\x1b", "what it shows")
	c.quit()

	settings := filepath.Join(t.TempDir(), "config.yaml")
	rules := "profiles:\n  - {match: profiles/spot, memory: /debug/memory, header: api-key, key: {env: DEBUG_KEY}}\n"
	if err := os.WriteFile(settings, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	env := environment(t, shared.bed.Kubeconfig("admin"))
	args := []string{"--config", settings, "profile", "pod/spot-6", "-n", "profiles", "--type", "py-memory", "-o", "json"}
	r := command(t, append(env, "DEBUG_KEY=s3cr3t"), args...)
	doc := profileOf(t, r)
	if r.code != 0 || doc.Exactness != "flat-only" || len(doc.Functions) == 0 || !strings.HasPrefix(doc.Functions[0].Name, "app.py:") {
		t.Errorf("with the key: exit %d\n%s%s", r.code, r.out, r.err)
	}
	r = command(t, append(env, "DEBUG_KEY=wr0ng"), args...)
	if r.code != 2 || !strings.Contains(r.err, "the key was not accepted") || strings.Contains(r.out+r.err, "wr0ng") || oneLine(r.err) != nil {
		t.Errorf("with a wrong key: exit %d\n%s%s", r.code, r.out, r.err)
	}
	r = midwatch(t, "admin", "profile", "pod/spot-6", "-n", "profiles", "--type", "py-memory")
	if r.code != 2 || !strings.Contains(r.err, "no key was given") || oneLine(r.err) != nil {
		t.Errorf("without a key: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

// oneLine says what is wrong with an error that is not one clean line.
func oneLine(text string) error {
	if text = strings.TrimSuffix(text, "\n"); text == "" || strings.ContainsAny(text, "\n\x1b") {
		return fmt.Errorf("%q is not one clean line", text)
	}
	return nil
}

// profileDoc is the part of midwatch.profile/v1 the tests look at.
type profileDoc struct {
	Format    string `json:"format"`
	Exactness string `json:"exactness"`
	Functions []struct {
		Name string `json:"name"`
		File string `json:"file"`
		Line int64  `json:"line"`
		Flat int64  `json:"flat"`
		Cum  int64  `json:"cum"`
	} `json:"functions"`
}

func profileOf(t *testing.T, r result) (doc profileDoc) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatalf("exit %d, %v\n%s%s", r.code, err, r.out, r.err)
	}
	return doc
}

// testPythonFiles reads what the Python process wrote of itself: the file where
// it lies, and as it comes out of the pod by kubectl exec POD -- cat FILE. Both
// say what Python's own pstats prints.
func (up *profileProcesses) testPythonFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(up.files, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the Python process wrote no profile (%v)", err)
	}
	t.Logf("%d profiles", len(files)) // three where yappi is installed
	env := environment(t, "/dev/null")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			here := profileOf(t, command(t, env, "profile", file, "-o", "json"))
			there := profileOf(t, fed(t, env, execInPod(t, "spot-6", "cat", file), "profile", "-", "-o", "json"))
			if fmt.Sprint(here) != fmt.Sprint(there) {
				t.Errorf("from the pod:\n%+v\nthe file itself:\n%+v", there, here)
			}
			if here.Exactness != "reconstructed" || len(here.Functions) < 10 {
				t.Fatalf("%+v", here)
			}
			if filepath.Ext(file) != ".callgrind" {
				agreesWithPstats(t, file, here)
			}
		})
	}
}

// execInPod runs a command in a pod through the API server, as kubectl does.
func execInPod(t *testing.T, pod string, command ...string) []byte {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", shared.bed.Kubeconfig("admin"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	req := client.CoreV1().RESTClient().Post().Resource("pods").Namespace("profiles").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "spot", Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(config, "GET", req.URL().String())
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	if err := executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: &said}); err != nil {
		t.Fatalf("exec %v in %s: %v: %s", command, pod, err, said.String())
	}
	return out.Bytes()
}

// printStats is a row of pstats: calls, own time, per call, cumulative time,
// per call, function.
var printStats = regexp.MustCompile(`(?m)^\s*\d+(?:/\d+)?\s+([\d.]+)\s+(?:[\d.]+\s+)?([\d.]+)\s+(?:[\d.]+\s+)?(.+)$`)

// agreesWithPstats compares own and cumulative time of every function with
// what Python prints of the same file.
func agreesWithPstats(t *testing.T, file string, doc profileDoc) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", "-c", "import pstats, sys; pstats.Stats(sys.argv[1]).print_stats()", file)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("python3: %v: %s", err, out)
	}
	got := map[string]string{}
	for _, f := range doc.Functions {
		key := fmt.Sprintf("%s:%d(%s)", f.File, f.Line, f.Name)
		if f.File == "~" {
			key = "{" + strings.Trim(f.Name, "<>") + "}"
		}
		got[key] = fmt.Sprintf("%.3f %.3f", float64(f.Flat)/1e9, float64(f.Cum)/1e9)
	}
	_, table, _ := strings.Cut(string(out), "filename:lineno(function)")
	checked := 0
	for _, m := range printStats.FindAllStringSubmatch(table, -1) {
		have, ok := got[m[3]]
		if !ok {
			have, ok = got[path.Base(m[3])]
		}
		if !ok && m[1] == "0.000" && m[2] == "0.000" {
			continue // less than a nanosecond
		}
		if want := m[1] + " " + m[2]; have != want {
			t.Errorf("%s: %q, pstats prints %q", m[3], have, want)
		}
		checked++
	}
	if checked < 10 {
		t.Errorf("only %d rows were compared:\n%s", checked, out)
	}
}
