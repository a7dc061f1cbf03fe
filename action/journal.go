package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"midwatch/live"
)

// The journal's size is bounded: a file is put aside when it is full, and the
// oldest one that was put aside is dropped.
const (
	maxJournalSize  = 4 << 20
	keptJournals    = 4 // besides the current one
	journalLockWait = 2 * time.Second
	journalLockPoll = 5 * time.Millisecond
)

// Recorder takes journal entries. An entry is safe on disk when Append
// returns without an error.
type Recorder interface {
	Append(ctx context.Context, e Entry) error
}

// Journal is the record of everything midwatch changed or tried to, one JSON
// object a line, in a file only its user can read. Processes that run at the
// same time share it.
//
// The file is opened for every entry: it may have been put aside by another
// process, or removed. Its directory is created with mode 0700 and the file
// with 0600; a symbolic link, a second name of the file (hard link), a file
// of another user or a directory that others can write to is refused.
type Journal struct {
	path    string
	clock   live.Clock
	maxSize int64
	turn    chan struct{} // held by the appending goroutine
}

// NewJournal returns the journal at path; nothing is touched until the first
// entry. See [JournalPath] for the usual place.
func NewJournal(path string, clock live.Clock) *Journal {
	return &Journal{path: path, clock: clock, maxSize: maxJournalSize, turn: make(chan struct{}, 1)}
}

// JournalPath is where the journal usually is: midwatch/journal.jsonl below
// $XDG_STATE_HOME, or else below ~/.local/state (XDG Base Directory 0.8). A
// relative $XDG_STATE_HOME is ignored, as that specification asks.
func JournalPath(getenv func(string) string, home string) string {
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "midwatch", "journal.jsonl")
}

// Path is the current file's.
func (j *Journal) Path() string { return j.path }

// Append adds one entry and waits until it is on disk.
func (j *Journal) Append(ctx context.Context, e Entry) error {
	line, err := e.encode()
	if err != nil {
		return err
	}
	select {
	case j.turn <- struct{}{}:
		defer func() { <-j.turn }()
	case <-ctx.Done():
		return fmt.Errorf("write the journal %s: %w", j.path, ctx.Err())
	}
	f, err := j.open(ctx)
	if err != nil {
		return fmt.Errorf("write the journal %s: %w", j.path, err)
	}
	defer f.Close() //nolint:errcheck // synced already; closing also releases the lock
	if err := appendLine(f, line); err != nil {
		return fmt.Errorf("write the journal %s: %w", j.path, err)
	}
	return nil
}

// open returns the current file, locked against other processes and with room
// for a line.
func (j *Journal) open(ctx context.Context) (*os.File, error) {
	if err := privateDir(filepath.Dir(j.path)); err != nil {
		return nil, err
	}
	// Another process may put the file aside between our open and our lock;
	// then the lock is on the wrong file and the next try finds the new one.
	for range keptJournals + 1 {
		f, err := openPrivate(j.path)
		if err != nil {
			return nil, err
		}
		current, err := j.claim(ctx, f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if current {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("close the old file: %w", err)
		}
	}
	return nil, errors.New("it is being put aside over and over by another process")
}

// claim locks f and reports whether it is still the current file; a full one
// is put aside first.
func (j *Journal) claim(ctx context.Context, f *os.File) (current bool, err error) {
	if err := j.lockFile(ctx, f); err != nil {
		return false, err
	}
	mine, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("look at the file: %w", err)
	}
	there, err := os.Lstat(j.path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && !os.SameFile(mine, there)) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the file: %w", err)
	}
	if mine.Size() < j.maxSize {
		return true, nil
	}
	return false, j.rotate()
}

func (j *Journal) lockFile(ctx context.Context, f *os.File) error {
	give := j.clock.Now().Add(journalLockWait)
	for {
		free, err := tryLock(f)
		if err != nil || free {
			return err
		}
		if !j.clock.Now().Before(give) {
			return fmt.Errorf("another process has held it for %v", journalLockWait)
		}
		again, stop := j.clock.After(journalLockPoll)
		select {
		case <-again:
			stop()
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
	}
}

// rotate renames journal.jsonl.3 to .4 and so on, and the current file to .1.
// The caller holds the current file's lock.
func (j *Journal) rotate() error {
	for n := keptJournals - 1; n >= 0; n-- {
		err := os.Rename(j.aside(n), j.aside(n+1))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put the full journal aside: %w", err)
		}
	}
	return syncDir(filepath.Dir(j.path))
}

// aside is the name of the n-th newest file; 0 is the current one.
func (j *Journal) aside(n int) string {
	if n == 0 {
		return j.path
	}
	return j.path + "." + strconv.Itoa(n)
}

// appendLine writes one line with one write and waits for the disk. What a
// crash or a full disk left of an earlier line is ended first; what this write
// leaves behind when it fails is taken back.
func appendLine(f *os.File, line []byte) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the file: %w", err)
	}
	size := info.Size()
	if size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return fmt.Errorf("read the end: %w", err)
		}
		if last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := f.Write(line); err != nil {
		return errors.Join(fmt.Errorf("append: %w", err), f.Truncate(size))
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("wait for the disk: %w", err)
	}
	if size == 0 {
		return syncDir(filepath.Dir(f.Name()))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open the directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("wait for the directory: %w", err)
	}
	return nil
}

// Read returns the newest entries first, at most limit of them, or all when
// limit is not positive. damaged counts lines that are no entries: cut off by
// a crash, or edited. A journal that does not exist has no entries.
func (j *Journal) Read(ctx context.Context, limit int) (entries []Entry, damaged int, err error) {
	for n := range keptJournals + 1 {
		if err := ctx.Err(); err != nil {
			return nil, 0, fmt.Errorf("read the journal %s: %w", j.path, err)
		}
		data, err := readPrivate(j.aside(n), j.maxSize+2*maxJournalLine)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read the journal %s: %w", j.aside(n), err)
		}
		lines := bytes.Split(data, []byte{'\n'})
		for _, line := range slices.Backward(lines) {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			e, ok := decodeEntry(line)
			if !ok {
				damaged++
				continue
			}
			entries = append(entries, e)
			if len(entries) == limit {
				return entries, damaged, nil
			}
		}
	}
	return entries, damaged, nil
}
