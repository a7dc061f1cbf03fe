package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"midwatch/profiles"
	"midwatch/profiles/decode"
	"midwatch/profiles/diff"
	"midwatch/profiles/tree"
)

const profileLong = `profile shows where CPU time, memory or goroutines go: three lines in words,
then a table of functions. FILE is a profile of any format midwatch reads (see
docs/PROFILES.md), recognised by its content; "-" is standard input. Several
files are added up, as those of several pods. TARGET is a pod or a workload
whose profile is taken now.

The types py-cpu, py-wall, py-stacks and py-tasks run a profiler that is in the
container (py-spy, or Python's own), which takes --write. Where there is none,
--image adds an ephemeral container; that cannot be taken back, so --yes has to
name the pod.

With --base the files are compared with others: each function gets a verdict,
and what may be chance is called noise. Three files a side let it see how much
pods differ among themselves.

  midwatch profile cpu.pb.gz
  midwatch profile heap.pb.gz --sample-index alloc_space -o flame
  midwatch profile new.pb.gz --base old.pb.gz
  midwatch profile new-*.pb.gz --base old-1.pb.gz --base old-2.pb.gz --base old-3.pb.gz
  kubectl exec POD -- py-spy record -p 1 -d 10 -f raw -o /dev/stdout | midwatch profile -`

// profileOptions are the flags of `midwatch profile`.
type profileOptions struct {
	// Of a capture.
	kind       string
	seconds    int
	delta      bool
	container  string
	pid        int
	image      string
	yes        string
	comment    string
	perRequest string // a metric, or a number for files
	baseCount  float64

	output, out string
	base        []string
	mode        string
	exitCode    bool

	sample                      string
	focus, ignore, hide, show   string
	noInlines, own, foldRecurse bool
	labelRoot                   string
	cum                         bool
	limit, width                int
}

func (a *invocation) profileCommand() *cobra.Command {
	var o profileOptions
	cmd := &cobra.Command{
		Use:   "profile TARGET|FILE…",
		Short: "Where CPU, memory or goroutines go, from a pod or a file",
		Long:  profileLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args); err != nil {
				return err
			}
			return a.profile(cmd, args, &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.kind, "type", "", "what to capture from TARGET: cpu, heap, allocs, goroutine, block, mutex, … (default cpu)")
	f.IntVar(&o.seconds, "seconds", 10, "how long to look at TARGET")
	f.BoolVar(&o.delta, "delta", false, "heap, allocs, mutex, …: the difference over --seconds instead of a snapshot")
	f.StringVarP(&o.container, "container", "c", "", "py-…: look into this container (default kubectl's, or the first)")
	f.IntVar(&o.pid, "pid", 0, "py-…: the process to look at (default the busiest Python)")
	f.StringVar(&o.image, "image", "", "py-…: an image with py-spy, for an ephemeral container where there is no profiler")
	f.BoolVar(&a.write, "write", false, "py-…: allow the command in the container")
	f.StringVar(&o.yes, "yes", "", "the pod's name, typed as the confirmation of an ephemeral container")
	f.StringVar(&o.comment, "comment", "", "the reason, for the journal, where the context is protected")
	f.StringVar(&o.perRequest, "per-request", "", "count requests by this metric of TARGET, or say how many requests the FILEs stand for; implies --mode per-request with --base")
	f.Float64Var(&o.baseCount, "base-requests", 0, "with --per-request: how many requests the --base files stand for (default what they say)")
	f.StringVarP(&o.output, "output", "o", "top", "top, flame, folded, pprof or json")
	f.StringVar(&o.out, "out", "", "write to this file instead of standard output")
	f.StringArrayVar(&o.base, "base", nil, "compare with this file (repeat it for several pods)")
	f.StringVar(&o.mode, "mode", "", "with --base: share, cores, per-request or absolute (default by type)")
	f.BoolVar(&o.exitCode, "exit-code", false, "with --base: exit 1 when something regressed")
	f.StringVar(&o.sample, "sample-index", "", "the sample type to show, by name or number")
	f.StringVar(&o.focus, "focus", "", "keep only stacks in which a function or file matches")
	f.StringVar(&o.ignore, "ignore", "", "leave out stacks in which a function or file matches")
	f.StringVar(&o.hide, "hide", "", "leave out matching frames; their callers get what they cost")
	f.StringVar(&o.show, "show", "", "keep only matching frames")
	f.BoolVar(&o.noInlines, "no-inlines", false, "put inlined functions into their callers")
	f.BoolVar(&o.own, "own", false, "keep only the program's own functions")
	f.BoolVar(&o.foldRecurse, "fold-recursion", false, "show a function that calls itself once")
	f.StringVar(&o.labelRoot, "label-root", "", "put the value of this label above each stack")
	f.BoolVar(&o.cum, "cum", false, "sort by cum instead of flat")
	f.IntVar(&o.limit, "limit", 40, "how many functions at most; 0 for all")
	f.IntVar(&o.width, "width", 0, "cells of a flame (default $COLUMNS or 120)")
	return cmd
}

// check finds mistakes before anything is read.
func (o *profileOptions) check(cmd *cobra.Command, args []string) error {
	switch o.output {
	case "top", "flame", "folded", "pprof", "json":
	default:
		return usage(cmd, "-o %q: want top, flame, folded, pprof or json", o.output)
	}
	switch o.mode {
	case "", "share", "cores", "absolute", "per-request":
	default:
		return usage(cmd, "--mode %q: want share, cores, per-request or absolute", o.mode)
	}
	if o.mode == "" && o.perRequest != "" && len(o.base) > 0 {
		o.mode = "per-request"
	}
	switch {
	case len(args) == 0:
		return usage(cmd, "want a FILE or a TARGET to profile")
	case o.mode != "" && len(o.base) == 0:
		return usage(cmd, "--mode needs --base")
	case o.exitCode && len(o.base) == 0:
		return usage(cmd, "--exit-code needs --base")
	case o.baseCount < 0 || o.baseCount > 0 && o.perRequest == "":
		return usage(cmd, "--base-requests %v: want a number above 0, beside --per-request", o.baseCount)
	case o.pid < 0:
		return usage(cmd, "--pid %d: want the number of a process", o.pid)
	case o.limit < 0:
		return usage(cmd, "--limit %d: want 0 or more", o.limit)
	}
	if !cmd.Flags().Changed("limit") && o.output == "json" {
		o.limit = 0 // a script wants all
	}
	return nil
}

// view compiles the filters.
func (o *profileOptions) view(cmd *cobra.Command) (tree.Options, error) {
	v := tree.Options{NoInlines: o.noInlines, FoldRecursion: o.foldRecurse, LabelRoot: o.labelRoot}
	if o.own {
		v.Own = tree.Own
	}
	for _, f := range []struct {
		flag, pattern string
		to            **regexp.Regexp
	}{{"focus", o.focus, &v.Focus}, {"ignore", o.ignore, &v.Ignore}, {"hide", o.hide, &v.Hide}, {"show", o.show, &v.Show}} {
		if f.pattern == "" {
			continue
		}
		re, err := regexp.Compile(f.pattern)
		if err != nil {
			return v, usage(cmd, "--%s %q is no regular expression: %v", f.flag, f.pattern, err)
		}
		*f.to = re
	}
	return v, nil
}

func (a *invocation) profile(cmd *cobra.Command, args []string, o *profileOptions) error {
	view, err := o.view(cmd)
	if err != nil {
		return err
	}
	side, err := a.profileSide(cmd, args, o)
	if err != nil {
		return err
	}
	base, err := a.profileFiles(o.base)
	if err != nil {
		return err
	}
	if o.baseCount > 0 {
		base.Requests = o.baseCount
	}
	var out bytes.Buffer
	write := a.writeProfile
	if len(base.Profiles) > 0 {
		write = a.writeProfileDiff
	}
	if err := write(&out, side, base, view, o); err != nil {
		return err
	}
	return a.deliver(out.Bytes(), o)
}

// profileSide reads the files named, or captures from the one target named.
func (a *invocation) profileSide(cmd *cobra.Command, args []string, o *profileOptions) (diff.Side, error) {
	files := 0
	for _, arg := range args {
		if isFile(arg) {
			files++
		}
	}
	switch {
	case files == len(args):
		if cmd.Flags().Changed("type") || cmd.Flags().Changed("seconds") {
			return diff.Side{}, usage(cmd, "--type and --seconds say what to capture from a TARGET; a FILE has it already (--sample-index picks a column)")
		}
		side, err := a.profileFiles(args)
		if n, bad := strconv.ParseFloat(o.perRequest, 64); o.perRequest != "" && err == nil {
			if bad != nil || n <= 0 {
				return side, usage(cmd, "--per-request %q: for FILEs want how many requests they stand for", o.perRequest)
			}
			side.Requests = n
		}
		return side, err
	case len(args) > 1:
		return diff.Side{}, usage(cmd, "want several FILEs or one TARGET, not %q", strings.Join(args, " "))
	}
	return a.captureProfiles(cmd.Context(), args[0], o)
}

// isFile tells a file from a target: it exists, or nothing but a path is
// written like that.
func isFile(arg string) bool {
	if arg == "-" || strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, "./") || strings.HasPrefix(arg, "../") {
		return true
	}
	_, err := os.Stat(arg)
	return err == nil
}

func (a *invocation) profileFiles(paths []string) (diff.Side, error) {
	var side diff.Side
	for _, path := range paths {
		p, err := a.profileFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return side, fmt.Errorf("no file %q", path)
		case err != nil:
			return side, err
		}
		side.Profiles = append(side.Profiles, p)
	}
	side.Requests = requestsOf(side.Profiles)
	return side, nil
}

// requestsOf is how many requests the profiles say that they stand for, or 0
// when one of them does not say.
func requestsOf(list []*profiles.Profile) float64 {
	sum := 0.0
	for _, p := range list {
		n := p.Requests()
		if n <= 0 {
			return 0
		}
		sum += n
	}
	return sum
}

func (a *invocation) profileFile(path string) (*profiles.Profile, error) {
	if path != "-" {
		return decode.File(path, decode.DefaultLimits())
	}
	p, err := decode.Reader(a.in, decode.DefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	p.Source = "standard input"
	return p, nil
}

// deliver writes the finished output where it should go.
func (a *invocation) deliver(data []byte, o *profileOptions) error {
	if o.out == "" || o.out == "-" {
		_, err := a.out.Write(data)
		return err
	}
	// Profiles can name secrets in labels and paths: for the owner only.
	if err := os.WriteFile(o.out, data, 0o600); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.err, "wrote %s\n", o.out)
	return err
}
