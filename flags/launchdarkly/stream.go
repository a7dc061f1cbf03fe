package launchdarkly

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldlog"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	sdk "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems/ldstoreimpl"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/foreign"
	"midwatch/secret"
)

// How long a first answer is waited for by someone who asks a question, and
// how long changes are gathered before they are told.
const (
	firstData   = 5 * time.Second
	gatherEvery = 100 * time.Millisecond
)

// stream is the SDK of one environment.
type stream struct {
	p      *Provider
	client *sdk.LDClient
	store  subsystems.DataStore
	began  time.Time
}

// keeper makes the SDK's own store and keeps a hand on it: the SDK gives out
// values, while a preview needs the flags themselves.
type keeper struct{ store subsystems.DataStore }

func (k *keeper) Build(c subsystems.ClientContext) (subsystems.DataStore, error) {
	s, err := ldcomponents.InMemoryDataStore().Build(c)
	k.store = s
	return s, err
}

// open returns the SDK of an environment, starting it the first time. It does
// not wait for data.
func (p *Provider) open(ctx context.Context, environment string) (*stream, error) {
	if err := p.ready(ctx); err != nil {
		p.mu.Lock()
		_, given := p.keys[environment]
		p.mu.Unlock()
		if !given { // with an SDK key of one's own the REST API is not needed
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.streams[environment]; s != nil {
		return s, nil
	}
	key, ok := p.keys[environment]
	switch {
	case p.closed:
		return nil, fmt.Errorf("%s: closed", p.opts.Name)
	case !ok:
		return nil, fmt.Errorf("%s: environment %q: %w, or its SDK key is not shown to this token: give sdkKey", p.opts.Name, environment, flags.ErrNoEnvironment)
	}
	s, err := p.start(key)
	if err != nil {
		return nil, err
	}
	p.streams[environment] = s
	return s, nil
}

// start makes the client without waiting. The error of a client that is not
// ready yet is no error: it keeps trying.
func (p *Provider) start(key secret.Value) (*stream, error) {
	k := &keeper{}
	cfg := sdk.Config{
		Events:    ldcomponents.NoEvents(), // no analytics, no diagnostics
		DataStore: k,
		Logging:   p.logging(key),
		HTTP: ldcomponents.HTTPConfiguration().UserAgent("midwatch").HTTPClientFactory(func() *http.Client {
			return &http.Client{Transport: action.Transport(p.next, p.opts.Lock)}
		}),
		ServiceEndpoints: p.endpoints(),
	}
	if p.opts.Poll > 0 {
		cfg.DataSource = ldcomponents.PollingDataSource().PollInterval(p.opts.Poll)
	}
	client, err := sdk.MakeCustomClient(key.Reveal(), cfg, 0)
	if client == nil {
		return nil, fmt.Errorf("%s: start the SDK: %s", p.opts.Name, foreign.CleanN(key.Scrub(fmt.Sprint(err)), 200))
	}
	return &stream{p: p, client: client, store: k.store, began: p.opts.Clock.Now()}, nil
}

// endpoints are those of the account's site.
func (p *Provider) endpoints() interfaces.ServiceEndpoints {
	of := func(domain string) interfaces.ServiceEndpoints {
		return interfaces.ServiceEndpoints{Streaming: "https://stream." + domain, Polling: "https://sdk." + domain, Events: "https://events." + domain}
	}
	switch {
	case p.opts.Stream != "":
		return ldcomponents.RelayProxyEndpoints(p.opts.Stream)
	case strings.HasSuffix(p.opts.Address, "app.eu.launchdarkly.com"):
		return of("eu.launchdarkly.com")
	case strings.HasSuffix(p.opts.Address, ".launchdarkly.us"):
		return of("launchdarkly.us")
	}
	return interfaces.ServiceEndpoints{}
}

// logging keeps the SDK's lines off the screen; by default it writes to the
// terminal.
func (p *Provider) logging(key secret.Value) subsystems.ComponentConfigurer[subsystems.LoggingConfiguration] {
	if p.opts.Log == nil {
		return ldcomponents.NoLogging()
	}
	loggers := ldlog.NewDefaultLoggers()
	loggers.SetBaseLogger(sink{write: func(s string) { p.opts.Log(foreign.CleanN(key.Scrub(p.opts.Token.Scrub(s)), 500)) }})
	loggers.SetMinLevel(ldlog.Warn)
	// The SDK's own timer for "interrupted for long" outlives its Close.
	return ldcomponents.Logging().Loggers(loggers).LogDataSourceOutageAsErrorAfter(0)
}

// sink is where the SDK's log lines go.
type sink struct{ write func(string) }

func (s sink) Println(values ...any)               { s.write(strings.TrimSpace(fmt.Sprintln(values...))) }
func (s sink) Printf(format string, values ...any) { s.write(fmt.Sprintf(format, values...)) }

// await waits until there is data, which may be old, and says why there is
// none.
func (s *stream) await(ctx context.Context) error {
	if s.store.IsInitialized() {
		return nil
	}
	status := s.client.GetDataSourceStatusProvider()
	changes := status.AddStatusListener()
	defer status.RemoveStatusListener(changes)
	late, stop := s.p.opts.Clock.After(firstData)
	defer stop()
	for !s.store.IsInitialized() {
		now := s.status()
		if now.Status == flags.StatusFatal {
			return fmt.Errorf("%s: %w: %s", s.p.opts.Name, flags.ErrToken, now.Why)
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("%s: the flag stream %w within %v: %s", s.p.opts.Name, flags.ErrUnreachable, firstData, now.Why)
		}
	}
	return nil
}

// status maps the data source's state to OpenFeature's words.
func (s *stream) status() flags.ProviderStatus {
	now := s.client.GetDataSourceStatusProvider().GetStatus()
	out := flags.ProviderStatus{Since: now.StateSince, LastErrorAt: now.LastError.Time}
	if now.LastError.Kind != "" {
		out.LastError = s.describe(now.LastError)
	}
	switch now.State {
	case interfaces.DataSourceStateValid:
		out.Status = flags.StatusReady
		return out
	case interfaces.DataSourceStateInterrupted:
		out.Status, out.Why = flags.StatusStale, "the flag stream is interrupted: "+out.LastError
	case interfaces.DataSourceStateOff:
		out.Status, out.Why = flags.StatusFatal, "the flag stream ended for good: "+out.LastError
	default:
		out.Status, out.Why = flags.StatusNotReady, "the flag stream is not connected yet"
		if out.LastError != "" {
			out.Status, out.Why = flags.StatusError, "the flag stream cannot be opened, and is tried again: "+out.LastError
		}
	}
	return out
}

// describe puts the SDK's last error into words.
func (s *stream) describe(e interfaces.DataSourceErrorInfo) foreign.Text {
	switch {
	case e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden:
		from := s.p.opts.SDKKeyFrom
		if from == "" {
			from = "the environment's SDK key"
		}
		return foreign.Clean(fmt.Sprintf("the SDK key was refused (HTTP %d): it is wrong or was reset; check %s", e.StatusCode, from))
	case e.StatusCode != 0:
		return foreign.Clean(fmt.Sprintf("HTTP %d", e.StatusCode))
	case e.Kind == interfaces.DataSourceErrorKindInvalidData:
		return "what came was not valid flag data"
	case e.Message != "":
		return foreign.CleanN(strings.TrimSpace(s.p.scrub(e.Message)), 200)
	}
	return foreign.Clean(strings.ToLower(strings.ReplaceAll(string(e.Kind), "_", " ")))
}

func (s *stream) close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("%s: close the SDK: %w", s.p.opts.Name, err)
	}
	return nil
}

// flag returns a flag as SDKs have it; nil when there is none.
func (s *stream) flag(key string) *ldmodel.FeatureFlag {
	item, err := s.store.Get(ldstoreimpl.Features(), key)
	if err != nil {
		return nil
	}
	f, _ := item.Item.(*ldmodel.FeatureFlag)
	return f
}

// all returns every flag.
func (s *stream) all() []*ldmodel.FeatureFlag {
	items, err := s.store.GetAll(ldstoreimpl.Features())
	if err != nil {
		return nil
	}
	out := make([]*ldmodel.FeatureFlag, 0, len(items))
	for _, i := range items {
		if f, ok := i.Item.Item.(*ldmodel.FeatureFlag); ok && f != nil && !f.Deleted {
			out = append(out, f)
		}
	}
	return out
}

// GetFeatureFlag and GetSegment make the stream the evaluator's data provider.
func (s *stream) GetFeatureFlag(key string) *ldmodel.FeatureFlag { return s.flag(key) }

// GetSegment finds a segment.
func (s *stream) GetSegment(key string) *ldmodel.Segment {
	item, err := s.store.Get(ldstoreimpl.Segments(), key)
	if err != nil {
		return nil
	}
	seg, _ := item.Item.(*ldmodel.Segment)
	return seg
}

// Watch tells of changes. The SDK's listeners hold ten events and then block
// it, so they are drained at once and told together.
func (p *Provider) Watch(ctx context.Context, environment string, changed func(flags.Event)) error {
	s, err := p.open(ctx, environment)
	for err != nil {
		changed(flags.Event{Status: true})
		retry, stop := p.opts.Clock.After(retryEvery)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-retry:
		}
		stop()
		s, err = p.open(ctx, environment)
	}
	w := watcher{stream: s, changed: changed}
	return w.run(ctx)
}

// retryEvery is how often the REST API is asked again for what the stream
// needs to begin.
const retryEvery = 15 * time.Second

type watcher struct {
	stream  *stream
	changed func(flags.Event)
	valid   bool
	gather  flags.Event
	due     <-chan time.Time
	stop    func()
}

func (w *watcher) run(ctx context.Context) error {
	tracker := w.stream.client.GetFlagTracker()
	status := w.stream.client.GetDataSourceStatusProvider()
	changes, states := tracker.AddFlagChangeListener(), status.AddStatusListener()
	defer tracker.RemoveFlagChangeListener(changes)
	defer status.RemoveStatusListener(states)
	defer func() {
		if w.stop != nil {
			w.stop()
		}
	}()
	w.state(status.GetStatus())
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-changes:
			if !ok { // the SDK was closed
				return nil
			}
			w.gather.Keys = append(w.gather.Keys, foreign.Clean(e.Key).String())
			w.later()
		case s, ok := <-states:
			if !ok {
				return nil
			}
			w.state(s)
		case <-w.due:
			w.tell()
		}
	}
}

// state notes a change of the connection. Coming back means that anything may
// have changed: the data that comes then may carry lower versions than before,
// for which the SDK has no event.
func (w *watcher) state(s interfaces.DataSourceStatus) {
	valid := s.State == interfaces.DataSourceStateValid
	w.gather.Status = true
	w.gather.Resync = w.gather.Resync || valid && !w.valid
	w.valid = valid
	w.later()
}

func (w *watcher) later() {
	if w.due == nil {
		w.due, w.stop = w.stream.p.opts.Clock.After(gatherEvery)
	}
}

func (w *watcher) tell() {
	w.stop()
	e := w.gather
	if e.Resync {
		e.Keys = nil
	}
	w.gather, w.due, w.stop = flags.Event{}, nil, nil
	w.changed(e)
}
