package cli

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
	defer func() { _ = stdio.Restore() }() // it is given back as well as can be
	w, err := a.open(settings, stdio)
	if err != nil {
		return err
	}
	defer w.close()
	w.FollowLeases = true
	first, err := a.first(cmd.Context(), w)
	if err != nil {
		return err
	}
	if err := stdio.EnterScreen(); err != nil {
		first.Close()
		return err
	}
	err = app.Run(cmd.Context(), app.Options{
		Open: func(ctx context.Context, where app.Where) (*app.Session, error) {
			return w.Open(ctx, where, len(where.Namespaces) == 0)
		},
		First:    first,
		Contexts: w.Source.Contexts,
		Clock:    a.clock, Journal: w.Journal, Log: stdio.Log(),
		Theme:     theme.Options{Light: settings.Theme == "light", ASCII: settings.ASCII, Color: settings.Theme != "none"},
		AutoTheme: settings.Theme == "auto",
		SlowLink:  settings.SlowLink,
		Version:   version,
	}, app.Terminal{In: stdio.Input(), Out: os.Stdout, Env: os.Environ()})
	return errors.Join(err, stdio.LeaveScreen())
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
