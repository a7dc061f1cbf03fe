package ptydrive

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// The tests run this test binary again as the program in the terminal: that
// way it is exactly the renderer midwatch uses, and nothing has to be built.
const programVariable = "PTYDRIVE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) == "frames" {
		if _, err := tea.NewProgram(&frames{}).Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// frames shows one random frame after the other, a new one at every key.
type frames struct {
	n, cols, rows int
}

func (f *frames) Init() tea.Cmd { return nil }

func (f *frames) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		f.cols, f.rows = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q":
			return f, tea.Quit
		case "p":
			panic("on purpose")
		}
		f.n++
	}
	return f, nil
}

func (f *frames) View() tea.View {
	view := tea.NewView(frame(f.n, f.cols, f.rows, true))
	view.AltScreen = true
	view.MouseMode = tea.MouseModeCellMotion
	view.ReportFocus = true
	return view
}

// frame returns the n-th frame: lists that scroll, runs of one character, wide
// characters, colours, blanks: what makes a renderer reach for its tricks.
func frame(n, cols, rows int, styled bool) string {
	if cols < 20 || rows < 4 {
		return ""
	}
	random := rand.New(rand.NewPCG(uint64(n), 7))
	lines := []string{fmt.Sprintf("frame %d of %dx%d", n, cols, rows)}
	offset := random.IntN(5)
	for y := 1; y < rows; y++ {
		row := y + offset + n // shifts the list: the renderer may scroll
		var line string
		switch row % 6 {
		case 0:
			line = strings.Repeat("─", random.IntN(cols))
		case 1:
			line = fmt.Sprintf("%3d fastapi-service-%d   Running", row, row*row)
		case 2:
			line = fmt.Sprintf("%3d 世界 wide %s end", row, strings.Repeat(" ", random.IntN(cols/2)))
			if styled {
				line = "\x1b[38;2;200;100;50m" + line + "\x1b[m"
			}
		case 3:
			line = ""
		case 4:
			line = strings.Repeat("x", cols)
			if styled {
				line = "\x1b[7m" + line + "\x1b[m"
			}
		case 5:
			line = fmt.Sprintf("%3d ", row) + strings.Repeat("ab ", random.IntN(cols/3-2))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// expected is the frame as Screen returns it.
func expected(n, cols, rows int) string {
	lines := strings.Split(frame(n, cols, rows, false), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func startFrames(t *testing.T, opts Options) *Session {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	opts.Command = []string{self}
	opts.Env = append(opts.Env, programVariable+"=frames")
	return start(t, opts)
}

func start(t *testing.T, opts Options) *Session {
	t.Helper()
	s, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func waitCtx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func mustShow(t *testing.T, s *Session, n, cols, rows int) {
	t.Helper()
	want := expected(n, cols, rows)
	err := s.WaitForFunc(waitCtx(t), fmt.Sprintf("frame %d", n), func(screen string) bool { return screen == want })
	if err != nil {
		t.Fatalf("%v\nwant:\n%s", err, want)
	}
}

// TestEveryFrameOfBubbleTea compares what the emulator shows with what the
// program drew, frame by frame, at several sizes, with and without answers to
// the renderer's queries.
func TestEveryFrameOfBubbleTea(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprintf("silent=%v", silent), func(t *testing.T) {
			s := startFrames(t, Options{Cols: 80, Rows: 24, Silent: silent})
			n := 0
			for _, size := range [][2]int{{80, 24}, {120, 40}, {40, 12}, {101, 23}} {
				if err := s.Resize(size[0], size[1]); err != nil {
					t.Fatal(err)
				}
				mustShow(t, s, n, size[0], size[1])
				for range 25 {
					n++
					if err := s.Send("j"); err != nil {
						t.Fatal(err)
					}
					mustShow(t, s, n, size[0], size[1])
				}
			}
			if unknown := s.Unknown(); len(unknown) > 0 {
				t.Errorf("sequences not understood: %v", unknown)
			}
			if !s.AltScreen() {
				t.Error("not on the alternate screen")
			}
		})
	}
}

func TestQuitRestoresTheTerminal(t *testing.T) {
	s := startFrames(t, Options{})
	mustShow(t, s, 0, 80, 24)
	s.Send("q")
	code, err := s.Wait(waitCtx(t))
	if err != nil || code != 0 {
		t.Fatalf("exit code %d, %v, want 0", code, err)
	}
	if err := s.Restored(); err != nil {
		t.Error(err)
	}
}

func TestKilledProgramIsNotRestored(t *testing.T) {
	s := startFrames(t, Options{})
	mustShow(t, s, 0, 80, 24)
	if err := s.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	code, err := s.Wait(waitCtx(t))
	if err != nil || code != 137 {
		t.Fatalf("exit code %d, %v, want 137", code, err)
	}
	err = s.Restored()
	if err == nil {
		t.Fatal("Restored found nothing after SIGKILL")
	}
	for _, want := range []string{"raw mode", "alternate screen", "hidden cursor", "mouse", "bracketed paste", "focus"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q is missing", err, want)
		}
	}
}

func TestBytesAndMarks(t *testing.T) {
	s := startFrames(t, Options{})
	mustShow(t, s, 0, 80, 24)
	if err := s.WaitQuiet(waitCtx(t), 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	mark := s.Mark()
	if got := s.Bytes(mark); got != 0 {
		t.Errorf("%d bytes right after a mark", got)
	}
	s.Send("j")
	mustShow(t, s, 1, 80, 24)
	if got := s.Bytes(mark); got == 0 || got != int64(len(s.Raw(mark))) {
		t.Errorf("%d bytes since the mark, %d of them kept", got, len(s.Raw(mark)))
	}
}

func TestShell(t *testing.T) {
	s := start(t, Options{Command: []string{"/bin/sh"}, Env: []string{"PS1=ready> "}, Cols: 60, Rows: 10})
	ctx := waitCtx(t)
	if err := s.WaitFor(ctx, "ready>"); err != nil {
		t.Fatal(err)
	}
	s.Send("stty size; echo $TERM; printf '\\033[31mred\\033[m\\n'\r")
	if err := s.WaitFor(ctx, "10 60"); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitForFunc(ctx, "red line", func(screen string) bool { return strings.Contains(screen, "\nred") }); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitFor(ctx, "xterm-256color"); err != nil {
		t.Fatal(err)
	}
	y := 0
	for i, line := range s.Lines() {
		if line == "red" {
			y = i
		}
	}
	if got := s.Cell(0, y).Style.Foreground; got != "1" {
		t.Errorf("the foreground of %q is %q, want 1", "red", got)
	}
	s.Send("exit 3\r")
	if code, err := s.Wait(ctx); err != nil || code != 3 {
		t.Fatalf("exit code %d, %v, want 3", code, err)
	}
	if err := s.Restored(); err != nil {
		t.Error(err)
	}
}

func TestWaitForSaysWhatIsOnTheScreen(t *testing.T) {
	s := start(t, Options{Command: []string{"/bin/sh", "-c", "echo something else"}})
	err := s.WaitFor(waitCtx(t), "never printed")
	if err == nil || !strings.Contains(err.Error(), "something else") || !strings.Contains(err.Error(), "never printed") {
		t.Errorf("error %v: should name what was missing and show the screen", err)
	}
}

func TestStartNamesAMissingProgram(t *testing.T) {
	if _, err := Start(Options{Command: []string{"/does/not/exist"}}); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("error %v: should name the program", err)
	}
}
