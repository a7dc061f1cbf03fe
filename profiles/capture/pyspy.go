package capture

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s/podconn"
)

// resultFD is where a profiler writes its profile to under the wrapper: its
// own standard output has status lines on it (py-spy src/main.rs).
const resultFD = "/dev/fd/3"

// stdout is where it writes to without a shell.
const stdout = "/dev/stdout"

// command is what runs in the container, as a person would type it.
func (p *Python) command(way Way, req Request) []string {
	pid, seconds := strconv.Itoa(p.PID), strconv.Itoa(int(req.Lasts()/time.Second))
	to := resultFD
	if !p.Shell {
		to = stdout
	}
	switch {
	case way == ByPySpy && req.Kind == PyStacks:
		return []string{"py-spy", "dump", "--pid", pid, "--json"}
	case way == ByPySpy:
		args := []string{"py-spy", "record", "--pid", pid, "--duration", seconds, "--rate", "100", "--format", "speedscope", "--nonblocking", "--output", to}
		if req.Kind == PyWall {
			args = append(args, "--idle")
		}
		return args
	case req.Kind == PyTasks:
		return []string{p.python(), "-m", "asyncio", "pstree", pid}
	}
	mode := "cpu"
	if req.Kind == PyWall {
		mode = "wall"
	}
	return []string{p.python(), "-m", "profiling.sampling", "attach", "--duration", seconds, "--all-threads", "--mode", mode, "--collapsed", "--output", to, pid}
}

// python is the interpreter the process runs, which its own tools need: they
// read only a process of the same minor version.
func (p *Python) python() string { return cmp.Or(p.Exe.String(), "python3") }

// toFile says that the command writes its profile to a file, and words of its
// own to its standard output.
func toFile(way Way, k Kind) bool {
	return k == PyCPU || k == PyWall || way == ByPySpy && k != PyStacks
}

// wrapper runs a command that ends with its standard input, or a line on it: a node leaves
// running what a client that went away has started. Only what every shell has
// is in it. INT lets py-spy let go of the process first; a shell's background
// commands ignore INT unless they take it up themselves, so TERM follows.
const wrapper = `exec 4<&0
%s &
p=$!
(read -r _ <&4; kill -INT $p; sleep 1; kill -TERM $p) >/dev/null 2>&1 3>&- &
w=$!
exec 4<&-
wait $p; r=$?
kill $w 2>/dev/null
exit $r`

// wrapped is the command as it is sent.
func wrapped(p *Python, way Way, req Request) []string {
	args := p.command(way, req)
	if !p.Shell {
		return args
	}
	script := fmt.Sprintf(wrapper, `"$@" 4<&-`)
	if toFile(way, req.Kind) {
		script = "exec 3>&1\n" + fmt.Sprintf(wrapper, `"$@" 1>&2 4<&-`)
	}
	return append([]string{"sh", "-c", script, "midwatch"}, args...)
}

// unwrapped cuts py-spy's status lines off, which come on the same stream
// where there is no shell.
func unwrapped(raw []byte) []byte {
	if !bytes.Contains(raw[:min(len(raw), 400)], []byte("Sampling process")) {
		return raw
	}
	from, to := bytes.IndexByte(raw, '{'), bytes.LastIndexByte(raw, '}')
	if from < 0 || to < from {
		return raw
	}
	return raw[from : to+1]
}

// What profilers say. py-spy src/main.rs (permissions), src/python_process_info.rs
// and src/python_spy.rs (versions); CPython Lib/asyncio/tools.py and
// Modules/_remote_debugging.
var (
	saysPtrace  = regexp.MustCompile(`(?i)permission denied|operation not permitted|insufficient permissions|SYS_PTRACE`)
	saysVersion = regexp.MustCompile(`(?i)unsupported version of python[^\n]*`)
	saysOther   = regexp.MustCompile(`(?i)failed to find (a )?python (version|interpreter)|no python process|not a python|PyRuntime address`)
	saysGone    = regexp.MustCompile(`(?i)no such process|process [^\n]*(exited|ended)|failed to open process`)
)

// failed explains a command that ended with an error.
func (s *session) failed(err error) *Error {
	var exit *podconn.ExitError
	if !errors.As(err, &exit) {
		return s.taker.explainExec(context.Background(), s.target, err)
	}
	if notThere(exit) {
		return &Error{Cause: NoTool, Why: fmt.Sprintf("%s is not in container %s any more", program(s.way, s.py), s.py.Container), Next: nextImage, Err: err}
	}
	return s.py.toolError(s.way, s.errs.String()+"\n"+s.out.tail(), err)
}

func (p *Python) toolError(way Way, said string, err error) *Error {
	tool := program(way, p)
	switch {
	case saysVersion.MatchString(said):
		next := "use a newer py-spy"
		if p.minor() >= 15 {
			next += ", or Python's own sampler where py-spy is not in the way"
		}
		return &Error{Cause: OldTool, Why: fmt.Sprintf("%s does not know this Python (%s)", tool, foreign.CleanN(saysVersion.FindString(said), 120)), Next: next, Err: err}
	case saysOther.MatchString(said):
		return &Error{Cause: NotPython, Why: fmt.Sprintf("PID %d is no Python process that %s can read", p.PID, tool), Next: "name another one: P, or --pid", Err: err}
	case saysPtrace.MatchString(said):
		why := fmt.Sprintf("%s may not read PID %d: the container lacks the capability SYS_PTRACE", tool, p.PID)
		if p.Caps&(1<<capSysPtrace) != 0 {
			why = fmt.Sprintf("%s may not read PID %d although the container has SYS_PTRACE: a seccomp or AppArmor profile may forbid it", tool, p.PID)
		}
		return &Error{Cause: NoPtrace, Why: why, Next: nextPtrace, Err: err}
	case saysGone.MatchString(said):
		return &Error{Cause: Gone, Why: fmt.Sprintf("process %d has ended", p.PID), Next: "take it again", Err: err}
	}
	return &Error{Cause: Trouble, Why: fmt.Sprintf("%s failed (%v): %s", tool, err, cmp.Or(lastLine(said), "it said nothing")), Err: err}
}

// lastLine is the last line that says something.
func lastLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return foreign.CleanN(strings.TrimSpace(lines[len(lines)-1]), 200).String()
}

// explainExec explains a command that could not be run at all.
func (t *Taker) explainExec(ctx context.Context, target Target, err error) *Error {
	var denied *podconn.Denied
	var already *Error
	switch {
	case errors.As(err, &already):
		return already
	case errors.Is(err, action.ErrLocked), isLocked(err):
		return &Error{Cause: ReadOnly, Why: "it takes a command in the container, and midwatch is read-only", Next: ":unlock 10m first (or start with --write)", Err: err}
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errLate):
		return &Error{Cause: Trouble, Why: "the command in the container gave no answer in time", Err: err}
	case ctx.Err() != nil:
		return &Error{Cause: Cancelled, Why: "cancelled", Err: context.Cause(ctx)}
	case errors.As(err, &denied):
		return &Error{Cause: NotAllowed, Why: denied.Error(), Next: "ask for it; it lets you run any command in the pod", Err: err}
	case errors.Is(err, podconn.ErrGone):
		return &Error{Cause: Gone, Why: "the pod is gone", Next: "choose another one", Err: err}
	case errors.Is(err, podconn.ErrLost):
		return t.gone(ctx, target, &Error{Cause: Trouble, Why: "the connection to the command broke", Next: "take it again", Err: err})
	}
	return t.gone(ctx, target, &Error{Cause: Trouble, Why: err.Error(), Err: err})
}

func isLocked(err error) bool {
	var refused *action.RefusedError
	return errors.As(err, &refused) && refused.Locked
}
