package watch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"midwatch/foreign"
)

// protobufType is what a list is asked for in. A server that cannot answers
// JSON, which is read too.
const protobufType = "application/vnd.kubernetes.protobuf,application/json"

// magic begins every protobuf answer of a Kubernetes API server
// (apimachinery pkg/runtime/serializer/protobuf).
const magic = "k8s\x00"

// maxItem bounds one object of a list. etcd's own limit is 1.5 MiB a request;
// a wrong length must not allocate gigabytes.
const maxItem = 32 << 20

// maxJSON bounds a list that comes as JSON and so has to be held whole.
const maxJSON = 512 << 20

// Field numbers of runtime.Unknown, the envelope, and of every typed list.
const (
	unknownRaw   = 2
	listMetadata = 1
	listItems    = 2
)

// streamList reads a list answer and hands out the encoded items one by one
// while they arrive, so that the body (42 MB for 10,000 pods) is never held.
// raw is only valid during the call. JSON answers are decoded whole; their
// items come as objects. One of the two functions is called for each item.
func streamList(body io.Reader, item func(raw []byte) error, object func(runtime.Object) error) (metav1.ListMeta, error) {
	r := bufio.NewReaderSize(body, 64<<10)
	head, err := r.Peek(len(magic))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return metav1.ListMeta{}, err
	case string(head) == magic:
		if _, err := r.Discard(len(magic)); err != nil {
			return metav1.ListMeta{}, err
		}
		return streamProtobuf(r, item)
	case bytes.HasPrefix(head, []byte("{")):
		return readJSON(r, object)
	}
	start := make([]byte, 60)
	n, _ := io.ReadFull(r, start)
	return metav1.ListMeta{}, fmt.Errorf("the answer is not a Kubernetes list, it begins with %q", foreign.Clean(string(start[:n])))
}

func readJSON(r io.Reader, object func(runtime.Object) error) (metav1.ListMeta, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxJSON))
	if err != nil {
		return metav1.ListMeta{}, err
	}
	list, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return metav1.ListMeta{}, fmt.Errorf("decode JSON list: %w", err)
	}
	access, err := meta.ListAccessor(list)
	if err != nil {
		return metav1.ListMeta{}, fmt.Errorf("the answer is a %T, not a list", list)
	}
	m := metav1.ListMeta{ResourceVersion: access.GetResourceVersion(), Continue: access.GetContinue()}
	return m, meta.EachListItem(list, object)
}

// streamProtobuf reads runtime.Unknown and, without reading ahead, the list
// message inside its raw field.
func streamProtobuf(r *bufio.Reader, item func([]byte) error) (metav1.ListMeta, error) {
	var listMeta metav1.ListMeta
	var buf []byte
	left := int64(-1) // bytes left in the list message; -1: still in the envelope
	for left != 0 {
		number, size, used, err := readField(r)
		if errors.Is(err, io.EOF) && left < 0 {
			return listMeta, errors.New("the answer holds no list")
		}
		if err != nil {
			return listMeta, cut(err)
		}
		if left < 0 && number == unknownRaw {
			left = size
			continue
		}
		if left > 0 {
			if left -= int64(used) + size; left < 0 {
				return listMeta, errors.New("malformed list: a field ends behind its message")
			}
		}
		if size > maxItem {
			return listMeta, fmt.Errorf("malformed list: a field of %d bytes", size)
		}
		if int64(cap(buf)) < size {
			buf = make([]byte, size+size/2)
		}
		buf = buf[:size]
		if _, err := io.ReadFull(r, buf); err != nil {
			return listMeta, cut(err)
		}
		if left < 0 {
			continue // the envelope's type
		}
		switch number {
		case listMetadata:
			err = listMeta.Unmarshal(buf)
		case listItems:
			err = item(buf)
		}
		if err != nil {
			return listMeta, err
		}
	}
	return listMeta, nil
}

// readField reads the head of one length-delimited field; the list messages
// and their envelope have no others. used is how long the head was.
func readField(r *bufio.Reader) (number protowire.Number, size int64, used int, err error) {
	counted := &countingReader{r: r}
	tag, err := binary.ReadUvarint(counted)
	if err != nil {
		return 0, 0, 0, err
	}
	number, kind := protowire.DecodeTag(tag)
	if kind != protowire.BytesType {
		return 0, 0, 0, fmt.Errorf("malformed list: field %d has wire type %d", number, kind)
	}
	length, err := binary.ReadUvarint(counted)
	if err != nil {
		return 0, 0, 0, cut(err)
	}
	if length > 1<<40 {
		return 0, 0, 0, fmt.Errorf("malformed list: field %d has %d bytes", number, length)
	}
	return number, int64(length), counted.n, nil
}

type countingReader struct {
	r *bufio.Reader
	n int
}

func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// cut says that an answer ended too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
