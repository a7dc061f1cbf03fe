package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s/podconn"
)

// Python is what was found out about a container by looking into it.
type Python struct {
	// Container is where commands run; Of is the one whose process is looked
	// at. They differ for an ephemeral container.
	Container, Of string
	// Shell says that there is one, so that a command can be stopped early.
	Shell bool
	// PySpy is its version; empty when it is not there.
	PySpy foreign.Text
	// PID is the Python process; 0 when none was found. Exe is its program
	// and Version what that is called after: "3.14".
	PID     int
	Exe     foreign.Text
	Version string
	// Pythons is how many there are; the busiest was chosen.
	Pythons int
	// First is what runs as PID 1.
	First foreign.Text
	// UID and OfUID are who the command and the process run as, Caps the
	// command's effective capabilities, Scope Yama's ptrace_scope. -1 and 0
	// when not known.
	UID, OfUID int
	Caps       uint64
	Scope      int

	all []process
}

// Way is how a profile is taken of a Python process.
type Way string

// The ways.
const (
	ByPySpy   Way = "py-spy"
	ByBuiltin Way = "python"
)

// capSysPtrace is the capability's bit (linux/capability.h).
const capSysPtrace = 19

// Ptrace reports whether a command in the container may read the process, as
// far as that can be told: with SYS_PTRACE, or as the same user where Yama
// does not forbid it (ptrace(2), "Ptrace access mode checking").
func (p *Python) Ptrace() (ok bool, why string) {
	switch {
	case p.Caps == 0 && p.UID < 0, p.Caps&(1<<capSysPtrace) != 0:
		return true, ""
	case p.Scope > 0:
		return false, fmt.Sprintf("the container lacks the capability SYS_PTRACE, and the node's ptrace_scope is %d", p.Scope)
	case p.UID > 0 && p.OfUID >= 0 && p.UID != p.OfUID:
		return false, fmt.Sprintf("the container lacks the capability SYS_PTRACE, and the process is of user %d, the command of user %d", p.OfUID, p.UID)
	}
	return true, ""
}

// Ways says how a kind can be taken here.
func (p *Python) Ways(k Kind) (Way, *Error) {
	minor := p.minor()
	switch {
	case p.PID == 0:
		what := "it was not looked for"
		if p.First != "" {
			what = "PID 1 is " + p.First.String()
		}
		return "", fail(NotPython, "name its process: P, or --pid", "there is no Python process in container %s (%s)", p.Of, what)
	case k == PyTasks && (minor < 14 || p.Container != p.Of):
		return "", fail(NoKind, "py-stacks shows the threads", "Python's own view of asyncio tasks needs Python 3.14 in container %s; it is %s", p.Of, cmp.Or(p.Version, "of an unknown version"))
	}
	builtin := k == PyTasks || (k == PyCPU || k == PyWall) && minor >= 15 && p.Container == p.Of
	if p.PySpy == "" && !builtin {
		return "", fail(NoTool, nextImage, "neither py-spy nor Python's own sampler (from 3.15) is in container %s", p.Container)
	}
	if ok, why := p.Ptrace(); !ok {
		return "", fail(NoPtrace, nextPtrace, "%s", why)
	}
	if p.PySpy != "" && k != PyTasks {
		return ByPySpy, nil
	}
	return ByBuiltin, nil
}

const (
	nextImage  = "put it into the image, or name another image that has it (profiles: pyspy in the settings, --image) for an ephemeral container"
	nextPtrace = "add SYS_PTRACE to the container's securityContext.capabilities, or name an image with py-spy (profiles: pyspy in the settings, --image) for an ephemeral container"
)

// minor is the 14 of 3.14; 0 when not known.
func (p *Python) minor() int {
	major, rest, _ := strings.Cut(p.Version, ".")
	n, err := strconv.Atoi(rest)
	if major != "3" || err != nil {
		return 0
	}
	return n
}

// lookScript reads, with what every shell has and readlink, which processes
// there are: never their command lines or environments, which hold secrets.
const lookScript = `v=$(py-spy --version 2>/dev/null) && echo "pyspy $v"
while read -r k a b c; do
case $k in CapEff:) echo "caps $a";; Uid:) echo "uid $b";; esac
done </proc/self/status
read -r y </proc/sys/kernel/yama/ptrace_scope 2>/dev/null && echo "scope $y"
n=0
for d in /proc/[0-9]*; do
p=${d#/proc/}
[ "$p" = "$$" ] && continue
n=$((n+1)); [ $n -gt 400 ] && break
read -r s <$d/stat || continue
u=-1
while read -r k a b c; do case $k in Uid:) u=$a; break;; esac; done <$d/status
echo "process $u $(readlink $d/exe 2>/dev/null)|$s"
done 2>/dev/null
exit 0`

// lookWithin bounds looking into a container.
const lookWithin = 20 * time.Second

// Look runs one short command in the pod that finds out how a Python process
// can be profiled there. An ephemeral container of midwatch's that runs is
// looked into rather than the container itself.
func (t *Taker) Look(ctx context.Context, target Target, req Request) (*Python, error) {
	pod, err := t.pod(ctx, target.Pod)
	if err != nil {
		return nil, named(err, req.Kind, target.Pod)
	}
	target.Pod.UID = string(pod.UID)
	py, err := t.lookInto(ctx, target, pod, req)
	if err != nil {
		return nil, named(err, req.Kind, target.Pod)
	}
	return py, nil
}

func (t *Taker) lookInto(ctx context.Context, target Target, pod *corev1.Pod, req Request) (*Python, error) {
	of, err := containerOf(pod, req.Container)
	if err != nil {
		return nil, err
	}
	py := &Python{Container: of, Of: of, UID: -1, OfUID: -1}
	if helper := runningHelper(pod, of); helper != "" {
		py.Container = helper
	}
	out, err := t.run(ctx, target, py.Container, []string{"sh", "-c", lookScript})
	var exit *podconn.ExitError
	switch {
	case err == nil:
		py.Shell = true
		py.read(out)
	case errors.As(err, &exit) && notThere(exit):
		if err := t.lookWithoutShell(ctx, target, py); err != nil {
			return nil, err
		}
	default:
		return nil, t.explainExec(ctx, target, err)
	}
	if req.PID > 0 {
		py.take(req.PID)
	}
	return py, nil
}

// lookWithoutShell asks for py-spy alone, and takes it that PID 1 is the
// process: nothing else can be seen from outside.
func (t *Taker) lookWithoutShell(ctx context.Context, target Target, py *Python) error {
	out, err := t.run(ctx, target, py.Container, []string{"py-spy", "--version"})
	var exit *podconn.ExitError
	switch {
	case err == nil:
		py.PySpy, py.PID, py.Pythons = version(out), 1, 1
		return nil
	case errors.As(err, &exit) && notThere(exit):
		return fail(NoTool, nextImage, "container %s has neither a shell nor py-spy", py.Container)
	}
	return t.explainExec(ctx, target, err)
}

// containerOf is the container to look at: the one named, kubectl's default
// one, or the first.
func containerOf(pod *corev1.Pod, name string) (string, error) {
	var names []string
	for i := range pod.Spec.Containers {
		names = append(names, pod.Spec.Containers[i].Name)
	}
	switch marked := pod.Annotations["kubectl.kubernetes.io/default-container"]; {
	case name != "" && !slices.Contains(names, name):
		return "", fail(NoKind, "", "it has no container %s: want one of %s", foreign.CleanN(name, 64), strings.Join(names, ", "))
	case name != "":
		return name, nil
	case slices.Contains(names, marked):
		return marked, nil
	case len(names) == 0:
		return "", fail(NoKind, "", "it has no container")
	}
	return names[0], nil
}

// process is one line of the script's list.
type process struct {
	pid, parent, uid int
	comm, exe        string
	ticks            int64 // of CPU, since it began
}

// pythons are called python, python3.12, python3.13t; a program that embeds it
// (uwsgi) is taken when it is named by its PID.
var pythons = regexp.MustCompile(`^python(?:(\d)(?:\.(\d+))?t?)?$`)

// read takes the script's answer.
func (p *Python) read(out string) {
	var found []process
	for line := range strings.Lines(out) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "pyspy":
			p.PySpy = version(rest)
		case "caps":
			p.Caps, _ = strconv.ParseUint(rest, 16, 64) // 0 when not known
		case "uid":
			if n, err := strconv.Atoi(rest); err == nil {
				p.UID = n
			}
		case "scope":
			p.Scope, _ = strconv.Atoi(rest) // 0 when not known
		case "process":
			x, ok := parseProcess(rest)
			if !ok {
				continue
			}
			if x.pid == 1 {
				p.First = foreign.CleanN(cmp.Or(path.Base(x.exe), x.comm), 64)
			}
			found = append(found, x)
		}
	}
	p.choose(found)
}

// choose takes the only Python process, or the busiest: of a server with
// workers PID 1 only watches over them.
func (p *Python) choose(found []process) {
	var best *process
	for i := range found {
		x := &found[i]
		if !pythons.MatchString(path.Base(x.exe)) && (x.exe != "" || !pythons.MatchString(x.comm)) {
			continue
		}
		p.Pythons++
		if best == nil || x.ticks > best.ticks || x.ticks == best.ticks && x.pid < best.pid {
			best = x
		}
	}
	p.all = found
	if best != nil {
		p.be(best)
	}
}

// take is the process that somebody named. One that was not listed may still
// be there: its profiler will say.
func (p *Python) take(pid int) {
	p.Pythons = 1
	for i := range p.all {
		if p.all[i].pid == pid {
			p.be(&p.all[i])
			return
		}
	}
	p.PID, p.OfUID, p.Exe, p.Version = pid, -1, "", ""
}

func (p *Python) be(x *process) {
	p.PID, p.OfUID, p.Exe, p.Version = x.pid, x.uid, foreign.CleanN(x.exe, 200), ""
	if m := pythons.FindStringSubmatch(path.Base(x.exe)); m != nil && m[2] != "" {
		p.Version = m[1] + "." + m[2]
	}
}

func version(line string) foreign.Text {
	return foreign.CleanN(strings.TrimPrefix(strings.TrimSpace(line), "py-spy "), 40)
}

// parseProcess reads "UID EXE|STAT" with proc(5)'s stat, whose second field
// is in parentheses and may hold anything.
func parseProcess(line string) (process, bool) {
	uid, rest, _ := strings.Cut(line, " ")
	exe, stat, ok := strings.Cut(rest, "|")
	head, tail, closed := cutLast(stat, ") ")
	number, comm, opened := strings.Cut(head, " (")
	fields := strings.Fields(tail)
	if !ok || !closed || !opened || len(fields) < 13 {
		return process{}, false
	}
	x := process{exe: strings.TrimSuffix(exe, " (deleted)"), comm: comm}
	var errs [5]error
	var user, system int64
	x.uid, errs[0] = strconv.Atoi(uid)
	x.pid, errs[1] = strconv.Atoi(number)
	x.parent, errs[2] = strconv.Atoi(fields[1])
	user, errs[3] = strconv.ParseInt(fields[11], 10, 64)
	system, errs[4] = strconv.ParseInt(fields[12], 10, 64)
	x.ticks = user + system
	return x, errors.Join(errs[:]...) == nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// notThere says that the program is not in the image: containerd and CRI-O
// say so, and a shell ends with 126 or 127.
func notThere(e *podconn.ExitError) bool {
	text := e.Message.String()
	return e.Code == 126 || e.Code == 127 || e.Code < 0 && (strings.Contains(text, "executable file not found") || strings.Contains(text, "no such file or directory"))
}

// mostLooked bounds what is read of a short command.
const mostLooked = 256 << 10

// run carries a short command out as a plan of its own: nothing has to be
// confirmed, and it stands in the journal.
func (t *Taker) run(ctx context.Context, target Target, container string, args []string) (string, error) {
	if t.o.Gate == nil {
		return "", fail(ReadOnly, "", "no command can be run from here")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lookWithin, errLate)
	defer cancel()
	var out, errs capped
	out.most, errs.most = mostLooked, 4<<10
	var failed error
	shown := args
	if len(args) > 2 {
		shown = append(slices.Clone(args[:2]), "(a script that lists processes)")
	}
	plan := action.New(action.Plan{
		Verb: "look", Title: "Look for a profiler in " + target.Pod.String() + "?", Target: t.planTarget(target),
		Changes: []action.Field{{Path: "command in container " + container, After: foreign.CleanN(strings.Join(shown, " "), 200)}},
		Blast:   "One short command lists the container's processes.", Undo: "Nothing to undo: nothing is changed.",
		Equivalent: t.kubectl(target, container, args),
	}, action.Steps{Apply: func(ctx context.Context) error {
		failed = t.exec(ctx, target, container, args, &out, &errs)
		return failed
	}})
	_, err := t.o.Gate.Run(ctx, plan, action.Confirmation{})
	if failed != nil {
		return out.String(), failed
	}
	return out.String(), err
}

// exec runs a command to its end.
func (t *Taker) exec(ctx context.Context, target Target, container string, args []string, out, errs *capped) error {
	p, err := podconn.Exec(ctx, t.o.Cluster, target.Pod, podconn.Command{Container: container, Args: args, Stdout: out, Stderr: errs})
	if err != nil {
		return err //nolint:wrapcheck // explainExec says of what
	}
	defer p.Stop()
	select {
	case <-p.Done():
		return p.Err() //nolint:wrapcheck // explainExec says of what
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
