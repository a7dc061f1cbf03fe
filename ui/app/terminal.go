package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// Terminal is where the console is shown.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	// Env is the environment, as os.Environ returns it.
	Env []string
}

// get is the value of a variable.
func (t Terminal) get(name string) string {
	for _, kv := range t.Env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// Adapt fills in what a terminal's environment says about its abilities:
// NO_COLOR (no-color.org), TERM=dumb, a locale that is not UTF-8, an SSH
// session.
func (o *Options) Adapt(t Terminal) {
	o.Theme.Color = o.Theme.Color && t.get("NO_COLOR") == "" && t.get("TERM") != "dumb"
	o.Theme.ASCII = o.Theme.ASCII || t.get("MIDWATCH_ASCII") != "" || t.get("TERM") == "dumb" || !utf8Locale(t)
	o.SlowLink = o.SlowLink || t.get("SSH_TTY") != ""
}

// utf8Locale reports whether text is UTF-8, by the first of the variables
// that is set (POSIX.1-2024, 8.2 Internationalization Variables). Without any
// a terminal of today is taken to be.
func utf8Locale(t Terminal) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(t.get(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// Run shows the console until the user quits or ctx ends, and restores the
// terminal whatever happens. A [*Crash] is returned for a bug of midwatch.
func Run(ctx context.Context, opts Options, t Terminal) error {
	opts.Adapt(t)
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	m := New(running, opts)
	program := []tea.ProgramOption{tea.WithEnvironment(t.Env), tea.WithFPS(framesPerSecond)}
	if t.In != nil {
		program = append(program, tea.WithInput(t.In))
	}
	if t.Out != nil {
		program = append(program, tea.WithOutput(t.Out))
	}
	if p, limited := opts.profile(t); limited {
		program = append(program, tea.WithColorProfile(p))
	}
	p := tea.NewProgram(m, program...)
	m.pacing = newPacing(p)
	defer m.pacing.stop()
	// SIGHUP and SIGTERM end ctx; quitting like a key press restores the screen.
	stop := context.AfterFunc(ctx, p.Quit)
	defer stop()
	_, err := p.Run()
	if m.clip.holds && t.Out != nil {
		_, _ = io.WriteString(t.Out, clearClipboard) // a terminal that is gone has no clipboard
	}
	m.Close()
	switch {
	case m.crash != nil:
		m.crash.save(opts.Version)
		return m.crash
	case errors.Is(err, tea.ErrInterrupted), ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("the screen: %w", err)
	}
	return nil
}

// profile is how many colours are used where that is fewer than the terminal
// has. Half of what a frame with true colours writes are their names: on a slow
// link the 256 that take half as many bytes have to do.
func (o Options) profile(t Terminal) (p colorprofile.Profile, limited bool) {
	switch {
	case !o.Theme.Color:
		return colorprofile.ASCII, true
	case o.SlowLink && colorprofile.Detect(cmp.Or[io.Writer](t.Out, os.Stdout), t.Env) == colorprofile.TrueColor:
		return colorprofile.ANSI256, true
	}
	return 0, false
}

// endWithin is how long the end of the console waits for its tasks, which
// have been told to stop: one may be writing to the journal.
const endWithin = 2 * time.Second

// Close ends the panes and everything the console started, and the session on
// the screen, and waits for that.
func (m *Model) Close() {
	for _, t := range m.tiles() {
		m.discard(t)
	}
	m.base, m.stack, m.focus, m.cells = nil, nil, nil, nil
	m.end()
	m.tasks.Wait(endWithin)
	if s := m.session; s != nil && s.Close != nil {
		s.Close()
	}
	m.session = nil
}

// askTerminal asks what cannot be known from the environment. Over SSH Bubble
// Tea does not ask for synchronized output by itself; the answer to our own
// question is honoured.
func (m *Model) askTerminal() tea.Cmd {
	cmds := []tea.Cmd{}
	if m.opts.AutoTheme {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	if m.opts.SlowLink {
		cmds = append(cmds, tea.Raw(ansi.RequestModeSynchronizedOutput))
	}
	return tea.Batch(cmds...)
}

// onTerminal follows what the terminal answers.
func (m *Model) onTerminal(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case tea.BackgroundColorMsg:
		if m.opts.AutoTheme && m.theme.Light == msg.IsDark() {
			m.theme.Light = !msg.IsDark()
			m.restyle()
		}
	case tea.ColorProfileMsg:
		m.onProfile(msg.Profile)
	case tea.ResumeMsg:
		return tea.Batch(tea.ClearScreen, m.askTerminal()), true
	case tea.EnvMsg, tea.KeyboardEnhancementsMsg, tea.ModeReportMsg, tea.CapabilityMsg:
	default:
		return nil, false
	}
	return nil, true
}

// onProfile takes the number of colours. More than the user allowed it never
// becomes.
func (m *Model) onProfile(p colorprofile.Profile) {
	now := m.theme
	switch p {
	case colorprofile.TrueColor, colorprofile.ANSI256:
		now.Basic = m.opts.Theme.Basic
	case colorprofile.ANSI:
		now.Basic = true
	case colorprofile.ASCII, colorprofile.NoTTY:
		now.Color = false
	}
	if now != m.theme {
		m.theme = now
		m.restyle()
	}
}
