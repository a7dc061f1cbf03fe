// Package cli is midwatch's command line: it reads flags and settings, wires
// the domains into a session, runs the console or one command, and turns the
// result into an exit code. What a thing does is decided elsewhere.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"midwatch/config"
	"midwatch/demo"
	"midwatch/hygiene"
	"midwatch/k8s/connect"
	"midwatch/live"
	"midwatch/vault"
)

// version is stamped by the Makefile.
var version = "dev"

// Exit codes of the console and of every command but status, which adds its
// own meaning to 1 (see package report).
const (
	exitOK    = 0
	exitBug   = 1
	exitUsage = 2 // usage, configuration, unreachable, forbidden
)

// invocation is what the parts of one command line share.
type invocation struct {
	in       io.Reader
	out, err io.Writer
	env      config.Env
	clock    live.Clock

	flags      *genericclioptions.ConfigFlags
	all        bool // -A
	write      bool
	demo       bool
	demoSeed   int64
	theme      string
	ascii      bool
	journal    string
	configFile string

	exit int // set by commands whose success still has a meaning
	// shop is the embedded world, once it is open.
	shop *demo.World
}

// Main runs one command line and returns the exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	hygiene.Harden() // before anything is read that is worth stealing
	env, err := hygiene.Hide(os.LookupEnv, os.Unsetenv, hygiene.Tokens()...)
	if err != nil {
		fmt.Fprintf(errOut, "midwatch: take tokens out of the environment: %v\n", err)
		return exitUsage
	}
	a := &invocation{in: in, out: out, err: errOut, env: env, clock: live.SystemClock{}}
	return a.run(ctx, args)
}

func (a *invocation) run(ctx context.Context, args []string) int {
	cmd := a.rootCommand()
	cmd.SetArgs(args)
	cmd.SetIn(a.in)
	cmd.SetOut(a.out)
	cmd.SetErr(a.err)
	if err := cmd.ExecuteContext(ctx); err != nil {
		a.complain(err)
		return exitUsage
	}
	return a.exit
}

// complain writes one clear line first, then what to do next.
func (a *invocation) complain(err error) {
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(a.err, "midwatch: %s\n", usage.what)
		fmt.Fprintf(a.err, "Run `%s --help` for the flags.\n", usage.command)
		return
	}
	var failed *vault.Error
	if errors.As(err, &failed) {
		fmt.Fprintf(a.err, "midwatch: %s\n", failed.Error())
		if next := failed.Next(); next != "" {
			fmt.Fprintln(a.err, next)
		}
		return
	}
	p := connect.Explain(err)
	fmt.Fprintf(a.err, "midwatch: %s\n", strings.TrimSuffix(p.Line(), "\n"))
	if p.Next != "" {
		fmt.Fprintf(a.err, "%s\n", p.Next)
	}
}

// usageError is a command line that cannot be understood.
type usageError struct{ what, command string }

func (e *usageError) Error() string { return e.what }

func usage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{what: fmt.Sprintf(format, args...), command: cmd.CommandPath()}
}
