package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Store is where a flag file is kept.
type Store interface {
	// Read returns the text, and when it was last written.
	Read(ctx context.Context) (raw []byte, modified time.Time, err error)
	// Watch calls changed, one call at a time, whenever the text may differ,
	// until ctx ends. It calls it once at the beginning.
	Watch(ctx context.Context, changed func()) error
	// String names it: the path.
	String() string

	// replace puts a text in place of the one with this hash, in one step.
	// It is for the gate's own step only.
	replace(was string, text []byte) error
}

// errReplaced says that another text is there by now.
var errReplaced = errors.New("the file was changed by someone else")

// Disk is a file on disk.
type Disk string

// String is the path.
func (d Disk) String() string { return string(d) }

// Read reads the file.
func (d Disk) Read(context.Context) ([]byte, time.Time, error) {
	f, err := os.Open(string(d))
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	if !info.Mode().IsRegular() {
		return nil, time.Time{}, fmt.Errorf("%s is not a regular file", string(d))
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return raw, info.ModTime(), err
}

// Watch watches the file's folder: editors and ConfigMap volumes replace the
// file, and a watch on the file itself would stay with the old one.
func (d Disk) Watch(ctx context.Context, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", d, err)
	}
	defer w.Close() //nolint:errcheck // nothing is lost with it
	if err := w.Add(filepath.Dir(string(d))); err != nil {
		return fmt.Errorf("watch %s: %w", filepath.Dir(string(d)), err)
	}
	changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.Events:
			if !ok {
				return nil
			}
			drain(w.Events)
			changed()
		case err, ok := <-w.Errors:
			if !ok {
				return nil
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				changed()
				continue
			}
			return fmt.Errorf("watch %s: %w", d, err)
		}
	}
}

// drain takes what has come meanwhile: one look is enough for all of it.
func drain(events <-chan fsnotify.Event) {
	for {
		select {
		case <-events:
		default:
			return
		}
	}
}

// replace writes a temporary file beside it and renames it over the old one,
// with the old one's mode. A symbolic link is followed, so that what it points
// at is replaced and not the link.
func (d Disk) replace(was string, text []byte) error {
	path, err := filepath.EvalSymlinks(string(d))
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".midwatch-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // renamed away when all went well
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Chmod(info.Mode().Perm()), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	raw, _, err := Disk(path).Read(context.Background())
	switch {
	case err != nil:
		return err
	case hashOf(raw) != was:
		return errReplaced
	}
	return os.Rename(temp.Name(), path)
}

// Memory is a text in memory, for the embedded world. It is safe for
// concurrent use.
type Memory struct {
	name string
	now  func() time.Time

	mu       sync.Mutex
	raw      []byte
	modified time.Time
	changed  chan struct{} // closed and replaced with every write
}

// NewMemory makes one; name is what the screen calls it.
func NewMemory(name string, raw []byte, modified time.Time, now func() time.Time) *Memory {
	return &Memory{name: name, now: now, raw: raw, modified: modified, changed: make(chan struct{})}
}

// String is its name.
func (m *Memory) String() string { return m.name }

// Read returns the text.
func (m *Memory) Read(context.Context) ([]byte, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.raw == nil {
		return nil, time.Time{}, &fs.PathError{Op: "open", Path: m.name, Err: fs.ErrNotExist}
	}
	return m.raw, m.modified, nil
}

// Set puts another text there, as an editor would; nil takes it away.
func (m *Memory) Set(raw []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(raw)
}

func (m *Memory) put(raw []byte) {
	m.raw, m.modified = raw, m.now()
	close(m.changed)
	m.changed = make(chan struct{})
}

// Watch calls changed after every write.
func (m *Memory) Watch(ctx context.Context, changed func()) error {
	for {
		m.mu.Lock()
		next := m.changed
		m.mu.Unlock()
		changed()
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
	}
}

func (m *Memory) replace(was string, text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if hashOf(m.raw) != was {
		return errReplaced
	}
	m.put(text)
	return nil
}
