package action

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

func newJournal(t *testing.T) *Journal {
	t.Helper()
	return NewJournal(filepath.Join(t.TempDir(), "midwatch", "journal.jsonl"), live.SystemClock{})
}

func entry(id string) Entry {
	return Entry{
		ID: id, At: time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC), Phase: PhaseApplied, User: "oncall", Verb: "restart",
		Target: target("api"), Changes: []Field{{Path: "replicas", Before: "3", After: "5"}}, Equivalent: "kubectl …", Took: 0.25,
	}
}

func add(t *testing.T, j *Journal, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := j.Append(t.Context(), entry(id)); err != nil {
			t.Fatal(err)
		}
	}
}

// ids reads the journal and returns "newest … oldest" and the damaged lines.
func ids(t *testing.T, j *Journal, limit int) (string, int) {
	t.Helper()
	entries, damaged, err := j.Read(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.ID)
	}
	return strings.Join(all, " "), damaged
}

func TestJournalIsPrivateAndReadsBackWhatWasWritten(t *testing.T) {
	j := newJournal(t)
	want := entry("a")
	if err := j.Append(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	entries, damaged, err := j.Read(t.Context(), 0)
	if err != nil || damaged != 0 || len(entries) != 1 {
		t.Fatalf("%d entries, %d damaged, %v", len(entries), damaged, err)
	}
	if got := fmt.Sprintf("%+v", entries[0]); got != fmt.Sprintf("%+v", want) {
		t.Errorf("read back %s", got)
	}
	for path, mode := range map[string]os.FileMode{j.Path(): 0o600, filepath.Dir(j.Path()): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
}

func TestJournalReadsNewestFirst(t *testing.T) {
	j := newJournal(t)
	if got, damaged := ids(t, j, 10); got != "" || damaged != 0 {
		t.Errorf("a journal that does not exist has %q, %d damaged", got, damaged)
	}
	add(t, j, "a", "b", "c", "d")
	for limit, want := range map[int]string{0: "d c b a", 2: "d c", 9: "d c b a"} {
		if got, _ := ids(t, j, limit); got != want {
			t.Errorf("limit %d: %q, want %q", limit, got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := j.Read(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("reading with a cancelled context: %v", err)
	}
}

func TestJournalSurvivesDamage(t *testing.T) {
	for name, c := range map[string]struct {
		tail    string
		damaged int
	}{
		"a line torn by a crash":          {`{"id":"x","phase":"int`, 1},
		"a whole line without a line end": {`{"id":"x","phase":"intent"}`, 0},
		"zeros after a power cut":         {"\x00\x00\x00\x00", 1},
		"another program's line":          {"hello\n", 1},
		"JSON that is no entry":           {"{}\n[]\n\"x\"\n", 3},
		"empty lines":                     {"\n\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJournal(t)
			add(t, j, "a")
			f, err := os.OpenFile(j.Path(), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(c.tail); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			add(t, j, "b")
			want := "b a"
			if name == "a whole line without a line end" {
				want = "b x a"
			}
			if got, damaged := ids(t, j, 0); got != want || damaged != c.damaged {
				t.Errorf("got %q with %d damaged, want %q with %d", got, damaged, want, c.damaged)
			}
		})
	}
}

func TestJournalShowsWhatAnEditorHidInIt(t *testing.T) {
	j := newJournal(t)
	add(t, j, "a")
	line := `{"id":"b","at":"2026-11-24T03:12:00Z","phase":"applied","user":"x\u001b[2J","verb":"restart","target":{"context":"c","kind":"K","name":"n\u202e"},"error":"\u0007"}` + "\n"
	if err := os.WriteFile(j.Path(), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, _, err := j.Read(t.Context(), 1)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	e := entries[0]
	if e.User != "x␛[2J" || e.Target.Name != "n⟨U+202E⟩" || e.Error != `\x07` {
		t.Errorf("user %q, name %q, error %q", e.User, e.Target.Name, e.Error)
	}
}

func TestJournalRefusesFilesThatAreNotPlainlyItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
	}{
		"a symbolic link": {func(t *testing.T, path string) {
			elsewhere := filepath.Join(t.TempDir(), "victim")
			must(t, os.WriteFile(elsewhere, nil, 0o600))
			must(t, os.Symlink(elsewhere, path))
		}, "it is a symbolic link: remove it"},
		"a dangling symbolic link": {func(t *testing.T, path string) {
			must(t, os.Symlink(filepath.Join(t.TempDir(), "nothing"), path))
		}, "it is a symbolic link: remove it"},
		"a hard link": {func(t *testing.T, path string) {
			elsewhere := filepath.Join(filepath.Dir(path), "victim")
			must(t, os.WriteFile(elsewhere, nil, 0o600))
			must(t, os.Link(elsewhere, path))
		}, "it has a second name (hard link): remove one"},
		"a directory": {func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "is a directory"},
		"a named pipe": {func(t *testing.T, path string) {
			if out, err := exec.CommandContext(t.Context(), "mkfifo", path).CombinedOutput(); err != nil {
				t.Fatalf("mkfifo: %v: %s", err, out)
			}
		}, "it is not a regular file: remove it"},
		"a directory others can write to": {func(t *testing.T, path string) {
			must(t, os.Chmod(filepath.Dir(path), 0o777))
		}, "can be written to by others: chmod go-w it"},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJournal(t)
			must(t, os.MkdirAll(filepath.Dir(j.Path()), 0o700))
			c.prepare(t, j.Path())
			err := j.Append(t.Context(), entry("a"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestJournalRefusesForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	for _, what := range []string{"file", "directory"} {
		t.Run(what, func(t *testing.T) {
			j := newJournal(t)
			add(t, j, "a")
			path := j.Path()
			if what == "directory" {
				path = filepath.Dir(path)
			}
			must(t, os.Chown(path, 12345, -1))
			err := j.Append(t.Context(), entry("b"))
			if err == nil || !strings.Contains(err.Error(), "belongs to user 12345, not to you") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestJournalMakesALaxFilePrivate(t *testing.T) {
	j := newJournal(t)
	add(t, j, "a")
	must(t, os.Chmod(j.Path(), 0o644))
	add(t, j, "b")
	if info, err := os.Stat(j.Path()); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestJournalIsPutAsideWhenFullAndItsSizeIsBounded(t *testing.T) {
	j := newJournal(t)
	j.maxSize = 1 // every entry fills a file
	var all []string
	for i := range keptJournals + 4 {
		all = append(all, fmt.Sprintf("e%d", i))
	}
	add(t, j, all...)
	got, _ := ids(t, j, 0)
	if want := "e7 e6 e5 e4 e3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	files, err := filepath.Glob(j.Path() + "*")
	if err != nil || len(files) != keptJournals+1 {
		t.Errorf("files %q, %v", files, err)
	}
}

func TestJournalTakesEntriesFromManyWriters(t *testing.T) {
	j := newJournal(t)
	other := NewJournal(j.Path(), live.SystemClock{}) // as another process would
	j.maxSize, other.maxSize = 4096, 4096
	const writers, each = 4, 6
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			to := j
			if w%2 == 1 {
				to = other
			}
			for i := range each {
				if err := to.Append(t.Context(), entry(fmt.Sprintf("w%d-%d", w, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	entries, damaged, err := j.Read(t.Context(), 0)
	if err != nil || damaged != 0 {
		t.Fatalf("%d damaged, %v", damaged, err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		seen[e.ID] = true
	}
	if len(seen) != writers*each || len(entries) != writers*each {
		t.Errorf("%d entries, %d different; want %d", len(entries), len(seen), writers*each)
	}
}

func TestJournalGivesUpWhenAnotherProcessHoldsIt(t *testing.T) {
	j := newJournal(t)
	add(t, j, "a")
	f, err := openPrivate(j.Path())
	must(t, err)
	defer f.Close() //nolint:errcheck // a test's lock
	if free, err := tryLock(f); err != nil || !free {
		t.Fatalf("lock: %v, %v", free, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Append(ctx, entry("b")); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
	j.clock = jumpingClock{newClock()}
	if err := j.Append(t.Context(), entry("b")); err == nil || !strings.Contains(err.Error(), "another process has held it for 2s") {
		t.Errorf("got %v", err)
	}
}

// jumpingClock moves on by what it is asked to wait for.
type jumpingClock struct{ *fakeClock }

func (c jumpingClock) After(d time.Duration) (<-chan time.Time, func()) {
	t, stop := c.fakeClock.After(d)
	c.advance(d)
	return t, stop
}

func TestJournalKeepsSecretValuesOut(t *testing.T) {
	values := []Field{{Path: "data.password", Before: "hunter2", After: "hunter3"}}
	for kind, want := range map[string]foreign.Text{"Secret": "", "VaultLease": "", "Deployment": "hunter3"} {
		got := journalChanges(kind, values)
		if len(got) != 1 || got[0].Path != "data.password" || got[0].After != want {
			t.Errorf("%s: %+v", kind, got)
		}
	}
	if values[0].After != "hunter3" {
		t.Error("the plan's own changes were touched")
	}
}

func TestJournalRefusesLinesWithoutBound(t *testing.T) {
	j := newJournal(t)
	e := entry("a")
	e.Error = foreign.Text(strings.Repeat("x", maxJournalLine))
	if err := j.Append(t.Context(), e); err == nil || !strings.Contains(err.Error(), "the limit is") {
		t.Errorf("got %v", err)
	}
}

func TestJournalPath(t *testing.T) {
	for name, c := range map[string]struct{ state, want string }{
		"XDG_STATE_HOME set":      {"/var/state", "/var/state/midwatch/journal.jsonl"},
		"not set":                 {"", "/home/x/.local/state/midwatch/journal.jsonl"},
		"relative, to be ignored": {"state", "/home/x/.local/state/midwatch/journal.jsonl"},
	} {
		t.Run(name, func(t *testing.T) {
			env := func(k string) string {
				if k == "XDG_STATE_HOME" {
					return c.state
				}
				return ""
			}
			if got := JournalPath(env, "/home/x"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
