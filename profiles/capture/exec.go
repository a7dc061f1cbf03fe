package capture

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s/podconn"
	"midwatch/profiles"
	"midwatch/profiles/decode"
)

// execSlack is what a profiler may take beyond its seconds: it reads symbols
// first and writes the profile at the end.
const execSlack = 20 * time.Second

// Wait returns the profile once it is there. It is called after the gate has
// carried the plan out; ending ctx stops the command in the container.
type Wait func(ctx context.Context, w *Watch) (*Profile, error)

// session is one capture by a command in a container.
type session struct {
	taker   *Taker
	target  Target
	req     Request
	py      *Python
	way     Way
	release func()

	requests  *counting
	out, errs capped
	proc      *podconn.Process
	began     time.Time
	ended     chan struct{}

	mu      sync.Mutex
	why     error // who stopped it
	profile *Profile
	err     error
}

var (
	errClosed = errors.New("the session was closed")
	errEsc    = errors.New("stopped by the user")
)

// PlanExec plans to take a profile by a command in the container that Look
// found.
func (t *Taker) PlanExec(target Target, req Request, py *Python) (*action.Plan, Wait, error) {
	way, why := py.Ways(req.Kind)
	if why != nil {
		return nil, nil, named(why, req.Kind, target.Pod)
	}
	s := &session{taker: t, target: target, req: req, py: py, way: way, ended: make(chan struct{})}
	s.out.most, s.errs.most = int(t.limit()), 64<<10
	args := py.command(way, req)
	lasts := req.Lasts()
	blast := fmt.Sprintf("%s runs in container %s and %s.", program(way, py), py.Container, req.Pause())
	if lasts > 0 {
		blast = fmt.Sprintf("%s runs in container %s for %d s and %s.", program(way, py), py.Container, int(lasts/time.Second), req.Pause())
	}
	var warnings []string
	if py.Pythons > 1 {
		warnings = append(warnings, fmt.Sprintf("PID %d is the busiest of %d Python processes; P chooses another", py.PID, py.Pythons))
	}
	if !py.Shell {
		warnings = append(warnings, "the container has no shell: it cannot be stopped early, and what is not Python shows only when it fails")
	}
	plan := action.New(action.Plan{
		Verb: "profile", Title: fmt.Sprintf("Take the %s profile of PID %d in %s?", req.Kind, py.PID, target.Pod),
		Target:   t.planTarget(target),
		Changes:  []action.Field{{Path: "command in container " + py.Container, After: foreign.CleanN(strings.Join(args, " "), 300)}},
		Blast:    blast,
		Warnings: warnings, Danger: action.DangerEnter,
		Undo:         "Nothing to undo: it reads the process, and no file is left behind.",
		Equivalent:   t.kubectl(target, py.Container, byHand(args)),
		VerifyWithin: lasts + execSlack + 5*time.Second,
	}, action.Steps{Apply: s.start, Verify: s.verify})
	return plan, s.wait, nil
}

// byHand is the command for somebody without the wrapper, who has no third
// file descriptor.
func byHand(args []string) []string {
	out := slices.Clone(args)
	for i := range out {
		if out[i] == resultFD {
			out[i] = stdout
		}
	}
	return out
}

func program(way Way, py *Python) string {
	if way == ByPySpy {
		return "py-spy " + py.PySpy.String()
	}
	return "Python " + py.Version + "'s own sampler"
}

// start is the plan's step: the command begins. It goes on when the step is
// over, and ends by itself, by Wait's context, or with the taker.
func (s *session) start(ctx context.Context) error {
	t := s.taker
	pod, err := t.pod(ctx, s.target.Pod)
	if err != nil {
		return named(err, s.req.Kind, s.target.Pod)
	}
	release, err := t.turns.take(ctx, s.target.Pod.Key(), s.target.workload()+"@"+s.target.Revision, func() {})
	if err != nil {
		return err
	}
	s.requests = t.count(ctx, s.target, pod, s.req)
	proc, err := podconn.Exec(ctx, t.o.Cluster, s.target.Pod, podconn.Command{
		Container: s.py.Container, Args: wrapped(s.py, s.way, s.req), Stdout: &s.out, Stderr: &s.errs,
	})
	if err != nil {
		release()
		return named(t.explainExec(ctx, s.target, err), s.req.Kind, s.target.Pod)
	}
	s.proc, s.began, s.release = proc, t.o.Clock.Now(), release
	if !t.owns(s) {
		proc.Stop()
		release()
		return errClosed
	}
	return nil
}

// owns begins to look after a session, unless the taker is closed.
func (t *Taker) owns(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.sessions[s] = true
	t.running.Go(s.run)
	return true
}

// run waits for the command's end and makes the profile of what it wrote.
func (s *session) run() {
	t := s.taker
	defer close(s.ended)
	defer func() {
		t.mu.Lock()
		delete(t.sessions, s)
		t.mu.Unlock()
	}()
	defer s.release()
	late, forget := t.o.Clock.After(s.req.Lasts() + execSlack)
	defer forget()
	select {
	case <-s.proc.Done():
	case <-late:
		s.stop(errLate)
	}
	p, err := s.finish()
	s.mu.Lock()
	s.profile, s.err = p, err
	s.mu.Unlock()
	if p != nil {
		t.keep(p)
	}
}

// stop ends the command in the container, and says why once.
func (s *session) stop(why error) {
	s.mu.Lock()
	s.why = cmp.Or(s.why, why)
	s.mu.Unlock()
	s.proc.Stop()
}

func (s *session) wait(ctx context.Context, w *Watch) (*Profile, error) {
	if s.proc == nil {
		return nil, named(fail(Trouble, "", "it was not begun"), s.req.Kind, s.target.Pod)
	}
	w.set(func(p *Progress) { p.Stage, p.Since, p.Lasts, p.Attempt = Sampling, s.began, s.req.Lasts(), 1 })
	select {
	case <-s.ended:
	case <-ctx.Done():
		s.stop(errEsc)
		<-s.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, named(s.err, s.req.Kind, s.target.Pod)
	}
	return s.profile, nil
}

// verify is the plan's: the profile came.
func (s *session) verify(ctx context.Context) (string, error) {
	select {
	case <-s.ended:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return "", s.err
	}
	return fmt.Sprintf("a profile of %s came, the command has ended", profiles.FormatValue(int64(len(s.profile.Raw)), "bytes")), nil
}

func (s *session) finish() (*Profile, error) {
	s.mu.Lock()
	why := s.why
	s.mu.Unlock()
	err := s.proc.Err()
	switch {
	case errors.Is(why, errLate):
		return nil, &Error{Cause: Trouble, Why: fmt.Sprintf("the profiler had not ended %v after its time, and was stopped", execSlack), Err: why}
	case why != nil:
		return nil, &Error{Cause: Cancelled, Why: "cancelled; the profiler in the container was stopped", Err: why}
	case s.out.over:
		return nil, fail(NotProfile, "", "it is larger than %d MB", s.taker.limit()>>20)
	case err != nil:
		return nil, s.failed(err)
	}
	raw := unwrapped(s.out.Bytes())
	p, err := decode.Bytes(raw, s.taker.o.Limits)
	if err != nil {
		if said := lastLine(s.errs.String()); said != "" && len(raw) == 0 {
			return nil, &Error{Cause: NotProfile, Why: fmt.Sprintf("%s ended without a profile, saying: %s", program(s.way, s.py), said), Err: err}
		}
		return nil, &Error{Cause: NotProfile, Why: fmt.Sprintf("%s wrote no profile that can be read (%v)", program(s.way, s.py), err), Err: err}
	}
	s.complete(p)
	ctx, cancel := context.WithTimeout(context.Background(), indexWithin)
	defer cancel()
	return &Profile{Profile: p, Raw: raw, Target: s.target, Req: s.req, At: s.began, Requests: s.requests.end(ctx, p)}, nil
}

// complete says what the profiler's file does not.
func (s *session) complete(p *profiles.Profile) {
	p.Source = fmt.Sprintf("%s/%s container %s PID %d, %s", s.target.Pod.Namespace, s.target.Pod.Name, s.py.Of, s.py.PID, program(s.way, s.py))
	if p.Time.IsZero() {
		p.Time = s.began
	}
	if p.Duration == 0 {
		p.Duration = s.req.Lasts()
	}
	for i := range p.Types {
		if s.req.Kind == PyWall && p.Types[i].Type == "cpu" {
			p.Types[i].Type = "wall"
		}
	}
	if samples, failed := counted(s.errs.String() + s.out.tail()); failed > 0 && failed*20 > samples+failed {
		p.Warnings = append(p.Warnings, fmt.Sprintf("py-spy could not read %d of %d samples: the process is never stopped for them, and ran on meanwhile", failed, samples+failed))
	}
}

// counted reads "Samples: 99 Errors: 3", which py-spy says at the end.
func counted(said string) (samples, failed int) {
	_, rest, ok := strings.Cut(said, "Samples: ")
	if !ok {
		return 0, 0
	}
	first, rest, _ := strings.Cut(rest, " ")
	samples, _ = strconv.Atoi(first) // 0 when it is no number
	rest = strings.TrimPrefix(rest, "Errors: ")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	failed, _ = strconv.Atoi(rest[:end]) // 0 when it is no number
	return samples, failed
}

// capped keeps the beginning of what is written, up to a bound; more is an
// error, which ends the command.
type capped struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	most int
	over bool
}

var errFull = errors.New("it wrote more than is kept")

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.buf.Len()+len(p) > c.most {
		c.over = true
		return 0, errFull
	}
	return c.buf.Write(p)
}

// String is what was written.
func (c *capped) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// Bytes is what was written, after the end.
func (c *capped) Bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Bytes()
}

// tail is the end of it, where status lines stand.
func (c *capped) tail() string {
	b := c.Bytes()
	return string(b[max(len(b)-1000, 0):])
}

func (t *Taker) planTarget(target Target) action.Target {
	return action.Target{
		Context: t.o.Context, ClusterUID: t.o.ClusterUID(), Kind: "Pod",
		Namespace: target.Pod.Namespace, Name: target.Pod.Name, UID: target.Pod.UID,
	}
}

// kubectl is the command that does the same by hand.
func (t *Taker) kubectl(target Target, container string, args []string) string {
	words := []string{"kubectl"}
	if t.o.Context != "" {
		words = append(words, "--context", t.o.Context)
	}
	words = append(words, "-n", target.Pod.Namespace, "exec", target.Pod.Name, "-c", container, "--")
	for _, a := range args {
		if strings.ContainsAny(a, " \n'\"$&|;<>()*?") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	return foreign.CleanN(strings.Join(words, " "), 600).String()
}
