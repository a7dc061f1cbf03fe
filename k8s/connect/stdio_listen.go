package connect

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"time"

	"midwatch/foreign"
)

// How long what was written is waited for, and how old a failing plugin's
// last words may be to count as about the failure.
const (
	syncWithin = 500 * time.Millisecond
	saidSince  = time.Minute
)

// pluginVoice is what was last written to standard error.
type pluginVoice struct {
	mu    sync.Mutex
	said  foreign.Text
	at    time.Time
	marks map[string]chan struct{}
	next  int
}

// sync waits until everything written to standard error so far has been read.
// Writers share the pipe, so a mark sent now arrives after what they wrote.
func (s *Stdio) sync() {
	v := &s.plugin
	v.mu.Lock()
	v.next++
	name, arrived := strconv.Itoa(v.next), make(chan struct{})
	v.marks[name] = arrived
	v.mu.Unlock()
	after, stop := s.clock.After(syncWithin)
	defer stop()
	if _, err := s.pipe.WriteString(mark + name + mark); err == nil {
		select {
		case <-arrived:
		case <-after:
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.marks, name)
}

// lastSaid returns the last line written to standard error.
func (s *Stdio) lastSaid() foreign.Text {
	s.sync()
	s.plugin.mu.Lock()
	defer s.plugin.mu.Unlock()
	if s.clock.Now().Sub(s.plugin.at) > saidSince {
		return ""
	}
	return s.plugin.said
}

// mark encloses the name of a mark; text has no use for the character.
const (
	mark     = "\x00"
	markMost = 10
)

// splitter takes what arrives apart into text to show, lines and marks,
// wherever the chunks are cut.
type splitter struct {
	line   []byte
	name   []byte
	inMark bool
}

// listen reads the pipe until its last writer has closed it. What has no line
// break yet is shown at once: it may be a prompt.
func (s *Stdio) listen(r *os.File) {
	defer r.Close() //nolint:errcheck // read to its end
	var split splitter
	chunk := make([]byte, 4096)
	for {
		n, err := r.Read(chunk)
		show, marks := s.take(&split, chunk[:n])
		if s.shown.Load() {
			_, _ = s.stderr.Write(show) // nobody is left to tell
		}
		s.reached(marks) // once what stood before them is shown
		if err != nil {
			s.endLine(&split)
			return
		}
	}
}

// take returns what is to be shown of a chunk and the marks in it. A mark ends
// the line that was being written, so that it counts as said.
func (s *Stdio) take(split *splitter, chunk []byte) (show []byte, marks []string) {
	for _, c := range chunk {
		switch {
		case c == mark[0] && split.inMark:
			split.inMark = false
			s.endLine(split)
			marks = append(marks, string(split.name))
		case c == mark[0]:
			split.inMark, split.name = true, split.name[:0]
		case split.inMark && len(split.name) < markMost:
			split.name = append(split.name, c)
		default: // also a mark too long to be one of ours
			split.inMark = false
			show = append(show, c)
			s.takeByte(split, c)
		}
	}
	return show, marks
}

func (s *Stdio) takeByte(split *splitter, c byte) {
	if c == '\n' {
		s.endLine(split)
		return
	}
	split.line = append(split.line, c)
	if len(split.line) >= foreign.MaxLine {
		s.endLine(split)
	}
}

// reached lets go who waits for the marks.
func (s *Stdio) reached(marks []string) {
	s.plugin.mu.Lock()
	defer s.plugin.mu.Unlock()
	for _, name := range marks {
		if arrived := s.plugin.marks[name]; arrived != nil {
			close(arrived)
			delete(s.plugin.marks, name)
		}
	}
}

func (s *Stdio) endLine(split *splitter) {
	line := string(bytes.TrimRight(split.line, "\r"))
	split.line = split.line[:0]
	if len(bytes.TrimSpace([]byte(line))) == 0 {
		return
	}
	s.add("stderr", line)
	s.plugin.mu.Lock()
	defer s.plugin.mu.Unlock()
	s.plugin.said, s.plugin.at = foreign.CleanN(line, 300), s.clock.Now()
}
