package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"midwatch/flags"
	"midwatch/flags/ld"
	"midwatch/flags/toggle"
	"midwatch/foreign"
	"midwatch/live"
)

// readWithin bounds one reading of a file; retryAfter is how long until a
// watch that broke is tried again.
const (
	readWithin = 10 * time.Second
	retryAfter = 5 * time.Second
)

// Environment is one environment and the file its flags are in.
type Environment struct {
	flags.Environment
	Store Store
}

// Options say where flags are.
type Options struct {
	// Name is what the settings call the provider.
	Name string
	// Environments are at least one; the first is looked at first.
	Environments []Environment
	Clock        live.Clock
	// Planner turns edits into plans; nil when nothing is to be changed.
	Planner *toggle.Planner
	// Identity is who changes the file; whoever runs midwatch when empty.
	Identity foreign.Text
	// Stats tells how often variations are served; nil when nobody counts.
	Stats func(environment, key string) *flags.Stats
	// History is what is known of earlier changes, the newest first; nil for
	// none.
	History []flags.Change
}

// Provider is a set of flag files as a [flags.Provider].
type Provider struct {
	o     Options
	files []*watched
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// watched is one environment's file.
type watched struct {
	Environment
	clock live.Clock
	turn  sync.Mutex // one reading at a time

	mu        sync.Mutex
	data      *data // the last good reading
	status    flags.ProviderStatus
	broken    foreign.Text // why the newest reading failed
	last      map[string]change
	history   []flags.Change // the newest first
	authors   map[string]author
	listeners map[int]func(flags.Event)
	next      int
	read      chan struct{} // closed and replaced with every reading
}

// New reads the files and begins to watch them. A file that cannot be read is
// no error here: the status says it.
func New(ctx context.Context, o Options) (*Provider, error) {
	if len(o.Environments) == 0 {
		return nil, errors.New("flag file: no environment is named")
	}
	run, stop := context.WithCancel(context.Background())
	p := &Provider{o: o, stop: stop}
	for _, e := range o.Environments {
		w := &watched{
			Environment: e, clock: o.Clock, last: map[string]change{}, authors: map[string]author{}, listeners: map[int]func(flags.Event){}, read: make(chan struct{}),
			status: flags.ProviderStatus{Status: flags.StatusNotReady, Since: o.Clock.Now()},
		}
		for _, c := range o.History {
			if c.Environment == e.Key {
				w.remember(c)
			}
		}
		_ = w.reload(ctx) // the status says why it failed
		p.files = append(p.files, w)
		p.done.Go(func() { w.run(run) })
	}
	return p, nil
}

// Close ends the watches and waits for them.
func (p *Provider) Close() error {
	p.stop()
	p.done.Wait()
	return nil
}

// Info describes the provider.
func (p *Provider) Info() flags.Info {
	var paths []string
	for _, f := range p.files {
		paths = append(paths, f.Store.String())
	}
	info := flags.Info{
		Name: p.o.Name, Type: "file", Endpoint: foreign.CleanN(strings.Join(paths, ", "), 400).String(), Environment: p.files[0].Key, Identity: p.identity(),
		Capabilities: flags.Can(flags.CanList, flags.CanEvaluate, flags.CanReason, flags.CanWatch, flags.CanToggle, flags.CanRollout,
			flags.CanAudit, flags.CanStats, flags.CanRules, flags.CanCompare, flags.CanSeeSDK, flags.CanExperiments),
	}
	info.Capabilities = info.Capabilities.Without("a file has no approvals", flags.CanApprove).
		Without("a file takes what is written: there is nothing to try it against", flags.CanDryRun).
		Without("a file keeps no comments; the journal has them", flags.CanComment)
	if p.o.Stats == nil {
		info.Capabilities = info.Capabilities.Without("nobody counts the evaluations of a flag file", flags.CanStats)
	}
	return info
}

// Status is the worst of the files'.
func (p *Provider) Status() flags.ProviderStatus {
	worst := p.files[0].health()
	for _, f := range p.files[1:] {
		if s := f.health(); rank(s.Status) > rank(worst.Status) {
			worst = s
		}
	}
	return worst
}

func rank(s flags.Status) int {
	return slices.Index([]flags.Status{flags.StatusReady, flags.StatusNotReady, flags.StatusStale, flags.StatusError, flags.StatusFatal}, s)
}

// Environments are those of the settings.
func (p *Provider) Environments(context.Context) ([]flags.Environment, error) {
	out := make([]flags.Environment, len(p.files))
	for i, f := range p.files {
		out[i] = f.Environment.Environment
	}
	return out, nil
}

func (p *Provider) file(environment string) (*watched, error) {
	if environment == "" {
		return p.files[0], nil
	}
	for _, f := range p.files {
		if f.Key == environment {
			return f, nil
		}
	}
	var names []string
	for _, f := range p.files {
		names = append(names, f.Key)
	}
	return nil, fmt.Errorf("%w: %s; there is %s", flags.ErrNoEnvironment, foreign.CleanN(environment, 80), strings.Join(names, ", "))
}

// current is the last good reading, or why there is none.
func (p *Provider) current(environment string) (*watched, *data, error) {
	f, err := p.file(environment)
	if err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.data == nil {
		return nil, nil, fmt.Errorf("%w: %s", flags.ErrUnreachable, f.broken)
	}
	return f, f.data, nil
}

// List returns the flags, those first that changed last.
func (p *Provider) List(_ context.Context, environment string, q flags.Query) ([]flags.Flag, error) {
	f, d, err := p.current(environment)
	if err != nil {
		return nil, err
	}
	out := make([]flags.Flag, 0, len(d.keys))
	for _, key := range d.keys {
		e := d.flags[key]
		if e.flag.Deleted && !q.Archived || !contains(key, e.more.Name, q.Text) {
			continue
		}
		flag := e.describe(key, f.Key)
		flag.Archived = e.flag.Deleted
		e.age(&flag, p.o.Clock.Now())
		f.dress(&flag.States[0], key)
		if p.o.Stats != nil {
			flag.States[0].Served = p.o.Stats(f.Key, key)
		}
		out = append(out, flag)
	}
	slices.SortStableFunc(out, func(a, b flags.Flag) int {
		return cmp.Or(b.States[0].Changed.Compare(a.States[0].Changed), cmp.Compare(a.Key, b.Key))
	})
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, nil
}

func contains(key, name, text string) bool {
	text = strings.ToLower(text)
	return text == "" || strings.Contains(strings.ToLower(key), text) || strings.Contains(strings.ToLower(name), text)
}

// dress adds what is known of the last change.
func (w *watched) dress(s *flags.EnvState, key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.last[foreign.Clean(key).String()]; ok {
		s.Changed, s.ChangedBy = c.at, c.by
	}
}

// Get reads one flag fresh.
func (p *Provider) Get(ctx context.Context, environment, key string) (*flags.Detail, error) {
	f, err := p.file(environment)
	if err != nil {
		return nil, err
	}
	if err := f.reload(ctx); err != nil {
		return nil, err
	}
	_, d, err := p.current(environment)
	if err != nil {
		return nil, err
	}
	if d.flags[key] == nil {
		return nil, fmt.Errorf("%w: %s in %s", flags.ErrNotFound, foreign.CleanN(key, 80), f.Store)
	}
	out := d.detail(key, f.Key)
	d.flags[key].age(&out.Flag, p.o.Clock.Now())
	f.dress(&out.State, key)
	if p.o.Stats != nil {
		out.State.Served = p.o.Stats(f.Key, key)
	}
	out.States[0], out.ReadAt = out.State, p.o.Clock.Now()
	return out, nil
}

// Evaluate says what a context gets.
func (p *Provider) Evaluate(_ context.Context, environment string, who flags.EvalContext, keys ...string) ([]flags.Evaluation, error) {
	_, d, err := p.current(environment)
	if err != nil {
		return nil, err
	}
	c, err := ld.Context(who)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		keys = d.keys
	}
	out := make([]flags.Evaluation, len(keys))
	for i, key := range keys {
		out[i] = d.evaluate(key, c)
	}
	return out, nil
}

// Watch calls changed after every change of the file.
func (p *Provider) Watch(ctx context.Context, environment string, changed func(flags.Event)) error {
	f, err := p.file(environment)
	if err != nil {
		return err
	}
	end := f.listen(changed)
	defer end()
	<-ctx.Done()
	return nil
}

// Audit is what was seen of the file's changes: by this midwatch since it
// started, and what it was told of earlier ones.
func (p *Provider) Audit(_ context.Context, environment, key string, since time.Time) ([]flags.Change, error) {
	f, err := p.file(environment)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []flags.Change
	for _, c := range f.history {
		if (key == "" || c.Key == key) && !c.At.Before(since) {
			out = append(out, c)
		}
	}
	return out, nil
}

// Stats counts nothing by itself.
func (p *Provider) Stats(_ context.Context, environment, key string) (*flags.Stats, error) {
	f, err := p.file(environment)
	if err != nil {
		return nil, err
	}
	if p.o.Stats == nil {
		return nil, fmt.Errorf("%w: nobody counts the evaluations of a flag file", flags.ErrUnsupported)
	}
	return p.o.Stats(f.Key, key), nil
}

// run watches the file until ctx ends.
func (w *watched) run(ctx context.Context) {
	for {
		err := w.Store.Watch(ctx, func() { _ = w.reload(ctx) })
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			_ = w.fail(foreign.CleanN(err.Error(), 400)) // the status says it
		}
		again, stop := w.clock.After(retryAfter)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-again:
			stop()
		}
	}
}

// reload reads the file and takes what it says, or says why that cannot be
// done. What was good stays in force.
func (w *watched) reload(ctx context.Context) error {
	w.turn.Lock()
	defer w.turn.Unlock()
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	raw, modified, err := w.Store.Read(ctx)
	if err != nil {
		return w.fail(foreign.CleanN(unreadable(w.Store.String(), err), 400))
	}
	w.mu.Lock()
	same := w.data != nil && w.data.hash == hashOf(raw) && w.broken == ""
	w.mu.Unlock()
	if same {
		return nil
	}
	d, err := parse(raw, modified)
	if err != nil {
		return w.fail(foreign.CleanN(fmt.Sprintf("flag file %s: %v", w.Store, err), 400))
	}
	w.take(d)
	return nil
}

func unreadable(path string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("flag file %s is not there: was it moved?", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("flag file %s may not be read by you", path)
	}
	return fmt.Sprintf("flag file %s cannot be read: %v", path, err)
}

// fail notes why the newest reading is of no use.
func (w *watched) fail(why foreign.Text) error {
	now := w.clock.Now()
	w.mu.Lock()
	news := w.broken != why
	w.broken = why
	s := &w.status
	s.Why, s.LastError, s.LastErrorAt = why, why, now
	to := flags.StatusError
	if w.data != nil {
		to = flags.StatusStale
		s.Why = "the last good values are in force: " + why
	}
	if s.Status != to {
		s.Status, s.Since = to, now
	}
	tell := w.told(news)
	w.mu.Unlock()
	for _, f := range tell {
		f(flags.Event{Status: true})
	}
	return fmt.Errorf("%w: %s", flags.ErrUnreachable, why)
}

// take puts a good reading in force.
func (w *watched) take(d *data) {
	now := w.clock.Now()
	w.mu.Lock()
	before := w.data
	changes := compare(w.Key, before, d, w.authors[d.hash])
	delete(w.authors, d.hash)
	for _, c := range changes {
		w.remember(c)
	}
	w.data, w.broken = d, ""
	s := &w.status
	recovered := s.Status != flags.StatusReady
	if recovered {
		s.Status, s.Since, s.Why = flags.StatusReady, now, ""
	}
	s.Heard = now
	close(w.read)
	w.read = make(chan struct{})
	event := flags.Event{Status: recovered, Resync: before == nil}
	for _, c := range changes {
		event.Keys = append(event.Keys, c.Key)
	}
	tell := w.told(recovered || before == nil || len(changes) > 0)
	w.mu.Unlock()
	for _, f := range tell {
		f(event)
	}
}

// remember puts a change into the history. The caller holds mu, or is alone.
func (w *watched) remember(c flags.Change) {
	w.history = append(w.history, c)
	slices.SortStableFunc(w.history, func(a, b flags.Change) int { return b.At.Compare(a.At) })
	if len(w.history) > keptChanges {
		w.history = w.history[:keptChanges]
	}
	if old, ok := w.last[c.Key]; !ok || !c.At.Before(old.at) {
		w.last[c.Key] = change{c.At, c.By}
	}
}

// told are the listeners, if there is something to tell. The caller holds mu.
func (w *watched) told(news bool) []func(flags.Event) {
	if !news {
		return nil
	}
	out := make([]func(flags.Event), 0, len(w.listeners))
	for _, f := range w.listeners {
		out = append(out, f)
	}
	return out
}

func (w *watched) listen(f func(flags.Event)) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.next
	w.next++
	w.listeners[n] = f
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.listeners, n)
	}
}

func (w *watched) health() flags.ProviderStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}
