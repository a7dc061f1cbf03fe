package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/cli/session"
	"midwatch/config"
	"midwatch/flags"
	"midwatch/flags/flagwatch"
	"midwatch/flags/launchdarkly/ldtest"
	"midwatch/flags/ofrep/ofreptest"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/flagspane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

// canaries are the tokens of every provider's settings, by the variable that
// holds them. All contain the word that is looked for.
var canaries = map[string]string{
	"LD_TOKEN": ldtest.APIToken, "LD_SDK": ldtest.SDKKey,
	"UNLEASH_TOKEN": "*:*.unleash-canary-3c9a71", "UNLEASH_SDK": "default:production.unleash-canary-81fe20",
	"OFREP_TOKEN": ofreptest.Token,
}

const word = "canary"

// between stands before a server and answers in its place, as servers, gateways
// and intruders do. Whatever it says repeats the tokens.
type between struct {
	*httptest.Server
	proxy  *httputil.ReverseProxy // nil: nobody is behind it
	tokens []string               // of those who ask here

	mu     sync.Mutex
	mode   string
	writes bool // only those are kept
	kept   int  // requests that were not passed on
}

// modes are what it can do instead of passing a request on.
var modes = []string{"well", "401", "403", "404", "409", "429", "500", "503 page", "malformed", "other shape", "cut", "redirect", "nobody"}

func newBetween(t *testing.T, backend string, names ...string) *between {
	t.Helper()
	b := &between{mode: "well"}
	for _, n := range names {
		b.tokens = append(b.tokens, canaries[n])
	}
	if backend != "" {
		u, err := url.Parse(backend)
		if err != nil {
			t.Fatal(err)
		}
		b.proxy = httputil.NewSingleHostReverseProxy(u)
		b.proxy.FlushInterval = -1
		b.proxy.ErrorLog = log.New(os.NewFile(0, os.DevNull), "", 0)
	}
	b.Server = httptest.NewServer(b)
	t.Cleanup(func() {
		_ = b.Listener.Close() // first: a stream opened anew just now would hold up the end
		b.CloseClientConnections()
		b.Close()
	})
	return b
}

func (b *between) set(mode string) {
	b.mu.Lock()
	b.mode = mode
	b.mu.Unlock()
	b.CloseClientConnections() // streams, too
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	mode := b.mode
	if b.writes && (r.Method == http.MethodGet || r.URL.Query().Get("dryRun") == "true") {
		mode = "well"
	}
	if mode != "well" {
		b.kept++
	}
	b.mu.Unlock()
	said := "you sent " + r.Header.Get("Authorization")
	for _, c := range b.tokens {
		said += ", or " + c
	}
	status := 0
	switch _, _ = fmt.Sscan(mode, &status); mode {
	case "well":
		if b.proxy != nil {
			b.proxy.ServeHTTP(w, r)
			return
		}
		status = http.StatusNotFound
	case "malformed":
		fmt.Fprintf(w, `{"items": [%q`, said)
		return
	case "other shape":
		fmt.Fprintf(w, `{"items": %q, "flags": %q, "features": %q, "key": 3, "value": {"a": 1}}`, said, said, said)
		return
	case "cut", "nobody":
		panic(http.ErrAbortHandler)
	case "redirect":
		http.Redirect(w, r, "http://127.0.0.1:1/"+url.PathEscape(said), http.StatusTemporaryRedirect)
		return
	case "503 page":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "<html>%s</html>", said)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code": %[1]q, "name": %[1]q, "message": %[1]q, "errorCode": "GENERAL", "errorDetails": %[1]q, "details": [{"message": %[1]q}]}`, said)
}

// hasty does not wait long for a first answer that will not come.
type hasty struct {
	live.SystemClock
	most time.Duration
}

func (h hasty) After(d time.Duration) (<-chan time.Time, func()) {
	return h.SystemClock.After(min(d, h.most))
}

// told is everything that midwatch said.
type told struct {
	mu   sync.Mutex
	all  strings.Builder
	seen int
}

func (o *told) add(what ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, x := range what {
		if x == nil {
			continue
		}
		o.seen++
		fmt.Fprintf(&o.all, "%v\n%+v\n%#v\n", x, x, x)
		if b, err := json.Marshal(x); err == nil {
			o.all.Write(b)
		}
	}
}

// clean fails the test for every line that has a token.
func (o *told) clean(t *testing.T, where string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(o.all.String()) {
		if i := strings.Index(strings.ToLower(line), word); i >= 0 {
			t.Errorf("%s: a token is told: …%s…", where, line[max(0, i-200):min(len(line), i+60)])
		}
	}
	o.all.Reset()
}

// providers are one of each kind, as the settings name them.
func providers(t *testing.T, file string, ld, unleash, ofrep *between) []config.FlagProvider {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`flags:
- {type: launchdarkly, address: %q, stream: %q, project: shop, environment: production, token: {env: LD_TOKEN}, sdkKey: {env: LD_SDK}, dryRun: true}
- {type: unleash, address: %q, environment: production, token: {env: UNLEASH_TOKEN}, sdkKey: {env: UNLEASH_SDK}}
- {type: ofrep, address: %q, environment: production, token: {env: OFREP_TOKEN}}
- {type: file, environment: production, file: %q}
`, ld.URL, ld.URL, unleash.URL, ofrep.URL, file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(func(name string) (string, bool) {
		if name == "MIDWATCH_CONFIG" {
			return path, true
		}
		return environment(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Flags
}

func environment(name string) (string, bool) { v, ok := canaries[name]; return v, ok }

// ask calls everything that a provider has.
func (o *told) ask(ctx context.Context, p flags.Provider) {
	who := flags.EvalContext{TargetingKey: "user-42", Attributes: map[string]any{"region": "eu"}}
	take := func(v any, err error) { o.add(v, err) }
	take(p.Environments(ctx))
	take(p.List(ctx, "production", flags.Query{}))
	take(p.Get(ctx, "production", "checkout-v2"))
	take(p.Evaluate(ctx, "production", who))
	take(p.Evaluate(ctx, "production", who, "checkout-v2"))
	take(p.Audit(ctx, "production", "", time.Time{}))
	take(p.Audit(ctx, "production", "checkout-v2", time.Time{}))
	take(p.Stats(ctx, "production", "checkout-v2"))
	for _, e := range []flags.Edit{{Kind: flags.TurnOff}, {Kind: flags.TurnOn}, {Kind: flags.SetRollout, Percent: 5}} {
		e.Environment, e.Key = "production", "checkout-v2"
		if prop, err := p.Plan(ctx, e, &who); err != nil {
			o.add(err)
		} else {
			o.add(*prop.Plan, prop.Flag, prop.Now, prop.After, prop.Traffic, prop.TrafficWhy)
		}
	}
	watching, cancel := context.WithTimeout(ctx, 60*time.Millisecond)
	defer cancel()
	o.add(p.Watch(watching, "production", func(e flags.Event) { o.add(e, p.Status()) }))
	o.add(p.Info(), p.Status(), p)
}

// frames draws the session's flags, asks, opens a flag, tries to switch it.
func (o *told) frames(t *testing.T, s *flagwatch.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	board, err := s.Once(ctx)
	if err != nil {
		t.Fatal(err)
	}
	o.add(board, err)
	b := panetest.New(t, func(*panetest.Bench) pane.Pane { return flagspane.New("flags", s, nil, k8s.Ref{}) })
	draw := func() {
		for _, size := range [][2]int{{80, 24}, {200, 50}} {
			o.add(b.Frame(size[0], size[1]), b.Plain(size[0], size[1]))
		}
	}
	b.Feed(live.Snapshot{Topic: live.Topic{Name: flagwatch.Topic}, State: live.Ready, Value: board})
	draw()
	for range board.Rows {
		for _, key := range []string{"t", "%", "enter"} {
			b.Press(key)
			o.add(b.Reason)
			draw()
		}
		b.Press("esc", "j")
	}
	for _, m := range b.Sent {
		o.add(m)
	}
	b.Do(func() tea.Cmd { return nil })
}

// TestNoTokenIsToldWhateverHappens plants a token in every provider's settings,
// has servers answer well, badly, and with the tokens in what they say, and
// looks for them in all that midwatch says, draws, exports and writes down.
func TestNoTokenIsToldWhateverHappens(t *testing.T) {
	stderr := os.Stderr
	out, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = out
	defer func() { os.Stderr = stderr }()
	log.SetOutput(out)
	defer log.SetOutput(stderr)

	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	ld, unleash, ofrep := newBetween(t, a.URL, "LD_TOKEN", "LD_SDK"), newBetween(t, "", "UNLEASH_TOKEN", "UNLEASH_SDK"), newBetween(t, ofreptest.New(t).URL, "OFREP_TOKEN")
	file := filepath.Join(t.TempDir(), "flags.json")
	settings := providers(t, file, ld, unleash, ofrep)
	for _, mode := range modes {
		for _, b := range []*between{ld, unleash, ofrep} {
			b.set(mode)
		}
		text := `{"flags": {"checkout-v2": {"key": "checkout-v2", "version": 1, "on": true, "variations": [true, false], "offVariation": 1, "fallthrough": {"variation": 0}}}}`
		if mode != "well" {
			text = text[:len(text)-9]
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := &told{}
		lock := action.NewLock(live.SystemClock{}, "flags", "")
		lock.Open()
		var opened []flags.Provider
		for i := range settings {
			p := settings[i]
			if mode == "nobody" && p.Address != "" {
				p.Address = "http://127.0.0.1:1"
				if p.Stream != "" {
					p.Stream = p.Address
				}
			}
			f, err := session.OpenFlagProvider(t.Context(), &p, environment, lock, hasty{most: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			o.ask(t.Context(), f)
			opened = append(opened, f)
		}
		s := flagwatch.Start(t.Context(), flagwatch.Options{Providers: opened, Hub: live.NewHub(live.SystemClock{}, time.Millisecond), Clock: live.SystemClock{}})
		who := flags.EvalContext{TargetingKey: "user-42"}
		s.Pin(&who)
		o.frames(t, s)
		s.Close()
		if o.seen < 60 {
			t.Errorf("%s: only %d things were told: the test looks at nothing", mode, o.seen)
		}
		o.clean(t, mode)
	}
	written, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(written), word) {
		t.Errorf("a token was logged:\n%s", written)
	}
}

// TestNoTokenIsWrittenDownWhenAChangeFails: the journal, the proofs and the
// error of a change whose server answers with the token in what it says.
func TestNoTokenIsWrittenDownWhenAChangeFails(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	ld := newBetween(t, a.URL, "LD_TOKEN", "LD_SDK")
	unused := newBetween(t, "")
	ld.writes = true
	settings := providers(t, "flags.json", ld, unused, unused)
	for _, mode := range []string{"401", "403", "409", "429", "500", "503 page", "malformed", "cut", "redirect"} {
		lock := action.NewLock(live.SystemClock{}, "flags", "")
		lock.Open()
		p, err := session.OpenFlagProvider(t.Context(), &settings[0], environment, lock, hasty{most: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ld.set("well")
		prop, err := p.Plan(t.Context(), flags.Edit{Kind: flags.TurnOff, Environment: "production", Key: "checkout-v2"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		journal := filepath.Join(t.TempDir(), "state", "journal.jsonl")
		gate := action.NewGate(lock, action.NewJournal(journal, live.SystemClock{}), live.SystemClock{}, "dana")
		ld.set(mode)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		sent, err := gate.Run(ctx, prop.Plan, action.Confirmation{Typed: "checkout-v2", Reason: "INC-42"})
		if err == nil { // a success that says nothing readable is one until it is looked at
			_, _, err = gate.Verify(ctx, sent)
		}
		cancel()
		if err == nil {
			t.Errorf("%s: no error", mode)
		}
		o := &told{}
		o.add(err, prop.Ladder.String(), prop.Ladder.Steps(), *prop.Plan, p.Status())
		if written, err := os.ReadFile(journal); err == nil {
			o.add(string(written))
		}
		o.clean(t, mode)
		ld.mu.Lock()
		if ld.kept == 0 {
			t.Errorf("%s: the change was not even sent", mode)
		}
		ld.kept = 0
		ld.mu.Unlock()
		ld.set("well")
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if !a.On("checkout-v2") {
		t.Error("it was changed all the same")
	}
}
