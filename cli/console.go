package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"midwatch/action"
	"midwatch/config"
	"midwatch/k8s/connect"
	"midwatch/ui/app"
	"midwatch/ui/theme"
)

// console opens the first session and hands the terminal to the UI. It
// connects before the screen is taken over, so that a credential plugin can
// still ask for a login.
func (a *invocation) console(cmd *cobra.Command) error {
	settings, err := a.settings()
	if err != nil {
		return err
	}
	if !term.IsTerminal(int(os.Stdout.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) {
		return usage(cmd, "the console needs a terminal on standard input and output; for scripts use `midwatch status`")
	}
	stdio, err := connect.TakeStdio(a.clock, nil)
	if err != nil {
		return err
	}
	a.err = stdio.Stderr()
	defer stdio.Restore()
	source, done, err := a.source()
	if err != nil {
		return err
	}
	defer done()
	file, cleanUp, err := a.journalFile(settings)
	if err != nil {
		return err
	}
	defer cleanUp()
	o := &opener{
		source: source, clock: a.clock, stdio: stdio, journal: action.NewJournal(file, a.clock),
		protected: settings.Protected, known: settings.Namespaces, write: a.write,
	}
	first, err := o.open(cmd.Context(), a.where(), frameInterval(settings))
	if err != nil {
		return err
	}
	if err := stdio.EnterScreen(); err != nil {
		first.close()
		return err
	}
	err = app.Run(cmd.Context(), app.Options{
		Open: func(ctx context.Context, w app.Where) (*app.Session, error) {
			s, err := o.open(ctx, place{context: w.Context, namespaces: w.Namespaces, all: len(w.Namespaces) == 0}, frameInterval(settings))
			if err != nil {
				return nil, err
			}
			return s.forConsole(), nil
		},
		First:    first.forConsole(),
		Contexts: source.Contexts,
		Clock:    a.clock, Journal: o.journal, Log: stdio.Log(),
		Theme:     theme.Options{Light: settings.Theme == "light", ASCII: settings.ASCII, Color: settings.Theme != "none"},
		AutoTheme: settings.Theme == "auto",
		SlowLink:  settings.SlowLink,
		Version:   version,
	}, app.Terminal{In: stdio.Input(), Out: os.Stdout, Env: os.Environ()})
	return errors.Join(err, stdio.LeaveScreen())
}

func frameInterval(settings config.Config) (every time.Duration) {
	if settings.SlowLink {
		return slowFrameEvery
	}
	return frameEvery
}

// forConsole is the session as the UI knows it.
func (s *session) forConsole() *app.Session {
	return &app.Session{
		Where: app.Where{Context: s.place.context, Namespaces: s.place.namespaces},
		Hub:   s.hub, Cluster: s.cluster, Watch: s.watch, Change: s.change, Gate: s.gate, Close: s.close,
	}
}

// keysCommand prints docs/KEYS.md.
func (a *invocation) keysCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keys", Short: "Print every key, as Markdown", Hidden: true, Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.out, app.KeysMarkdown())
			return err
		},
	}
}
