package vault_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/vault"
)

func TestStatusOfRoot(t *testing.T) {
	s := simulated()
	s.SetSkew(10 * time.Minute)
	c := open(t, s, "root")
	got, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case !got.Token.Root():
		t.Error("root is not recognised")
	case got.Health.State() != "active", got.Health.Version != "1.21.4":
		t.Errorf("health %+v", got.Health)
	case got.Health.Skew < 9*time.Minute, !got.Health.SkewMatters():
		t.Errorf("skew %v, want about 10 minutes", got.Health.Skew)
	case !strings.Contains(got.Insecure, "plain HTTP"):
		t.Errorf("insecure %q", got.Insecure)
	case len(got.Caps.Missing()) != 0:
		t.Errorf("root misses %v", got.Caps.Missing())
	case got.Counts == nil || got.Counts.Leases != 0:
		t.Errorf("counts %+v", got.Counts)
	}
}

func TestStatusWithTheDefaultPolicyAlone(t *testing.T) {
	s := simulated()
	c := open(t, s, "plain")
	got, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left, ends := got.Token.Left(begin); !ends || left != time.Hour {
		t.Errorf("left %v, %v", left, ends)
	}
	lookup, known := got.Caps.Has(vault.RightLookup)
	if !lookup || !known {
		t.Error("the default policy may look leases up")
	}
	missing := got.Caps.Missing()
	var lines []string
	for _, r := range missing {
		lines = append(lines, r.HCL())
	}
	all := strings.Join(lines, "\n")
	for _, want := range []string{
		`path "sys/leases/lookup/*" { capabilities = ["list", "sudo"] }`, `path "sys/metrics" { capabilities = ["read"] }`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no line %s in\n%s", want, all)
		}
	}
	var failed *vault.Error
	if !errors.As(got.CountsErr, &failed) || failed.Kind != vault.KindForbidden || !strings.Contains(failed.Next(), vault.RightMetrics.HCL()) {
		t.Errorf("counts: %v", got.CountsErr)
	}
	probes := 0
	for _, r := range s.Requests() {
		if r.Method == "LIST" {
			t.Errorf("a listing nobody asked for: %+v", r)
		}
		if r.Path == "sys/capabilities-self" {
			probes++
		}
	}
	if probes != 1 {
		t.Errorf("%d capability requests, want one", probes)
	}
}

// failures are the ways a server can fail, and what midwatch says.
func failures() map[string]struct {
	handler http.Handler
	kind    vault.Kind
} {
	sealed, standby := simulated(), simulated()
	sealed.Seal(true)
	standby.SetStandby(true)
	says := func(status int, kind, body string, header ...string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			if len(header) == 2 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	page := "<html><body>MIDWATCH_CANARY_page please log in</body></html>"
	return map[string]struct {
		handler http.Handler
		kind    vault.Kind
	}{
		"sealed":        {sealed, vault.KindSealed},
		"standby":       {standby, vault.KindStandby},
		"forbidden":     {says(403, "application/json", `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`), vault.KindForbidden},
		"bad token":     {says(403, "application/json", `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`), vault.KindBadToken},
		"not found":     {says(404, "application/json", `{"errors":[]}`), vault.KindNotFound},
		"rate limited":  {says(429, "text/plain", "slow down", "Retry-After", "7"), vault.KindRateLimited},
		"page":          {says(403, "text/html", page), vault.KindNotVault},
		"page with 200": {says(200, "text/html", page), vault.KindNotVault},
		"broken":        {says(500, "application/json", `{"errors":["internal error"]}`), vault.KindBroken},
		"lease gone":    {says(400, "application/json", `{"errors":["invalid lease"]}`), vault.KindLeaseGone},
		"hostile":       {says(400, "application/json", `{"errors":["\u001b[31mred\u0007\u202e"]}`), vault.KindRejected},
	}
}

func TestFailuresHaveTextsOfTheirOwn(t *testing.T) {
	seen := map[string]string{}
	for name, f := range failures() {
		t.Run(name, func(t *testing.T) {
			c := open(t, f.handler, "root")
			err := c.Read(t.Context(), vault.Query{Tried: "count the leases", Path: "sys/metrics", Need: vault.RightMetrics}, &struct{}{})
			var failed *vault.Error
			if !errors.As(err, &failed) || failed.Kind != f.kind {
				t.Fatalf("got %v (%T), want %s", err, err, f.kind)
			}
			text := failed.Why() + failed.Next()
			if strings.ContainsAny(text, "\x1b\a\n\u202e<>") || strings.Contains(text, "MIDWATCH_CANARY") {
				t.Errorf("%q leaks or breaks the line", text)
			}
			if strings.Contains(text, "Error making API request") {
				t.Errorf("%q is the library's text", text)
			}
			why := strings.ReplaceAll(failed.Why(), c.Address(), "")
			if other, twice := seen[why]; twice {
				t.Errorf("%q is also said of %s", why, other)
			}
			seen[why] = name
		})
	}
}

func TestUnreachable(t *testing.T) {
	tlsServer := httptest.NewTLSServer(simulated())
	defer tlsServer.Close()
	plain := httptest.NewServer(simulated())
	defer plain.Close()
	gone := httptest.NewServer(simulated())
	gone.Close()
	for name, c := range map[string]struct {
		address string
		kind    vault.Kind
		says    string
	}{
		"unknown authority": {tlsServer.URL, vault.KindTLS, "authority"},
		"TLS to plain":      {strings.Replace(plain.URL, "http:", "https:", 1), vault.KindTLS, "plain HTTP"},
		"refused":           {gone.URL, vault.KindUnreachable, "refused"},
		"plain to TLS":      {strings.Replace(tlsServer.URL, "https:", "http:", 1), vault.KindNotVault, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := tryOpen(c.address, "root")
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Status(t.Context())
			var failed *vault.Error
			if !errors.As(err, &failed) || failed.Kind != c.kind || !strings.Contains(failed.Error(), c.says) || failed.Next() == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTLSWithItsOwnAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(simulated())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	c, err := tryOpen(server.URL, "root", func(o *vault.Options) { o.Settings.TLS.CACertBytes = certificate(server) })
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Status(t.Context())
	if err != nil || got.Insecure != "" {
		t.Errorf("%v, insecure %q", err, got.Insecure)
	}
}

// counting counts what arrives, and holds it until told.
type counting struct {
	next            http.Handler
	now, peak, seen atomic.Int64
	hold            chan struct{}
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.seen.Add(1)
	n := c.now.Add(1)
	for peak := c.peak.Load(); n > peak && !c.peak.CompareAndSwap(peak, n); peak = c.peak.Load() {
	}
	<-c.hold
	c.next.ServeHTTP(w, r)
	c.now.Add(-1)
}

func TestAtMostFourInFlight(t *testing.T) {
	gate := &counting{next: simulated(), hold: make(chan struct{})}
	c := open(t, gate, "root")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { _, _ = c.Self(t.Context()) })
	}
	for range 20 {
		gate.hold <- struct{}{}
	}
	all.Wait()
	if _, peak := c.Traffic(); gate.peak.Load() > vault.MaxInFlight || peak > vault.MaxInFlight || peak < 2 {
		t.Errorf("peak %d (counted by the client: %d)", gate.peak.Load(), peak)
	}
}

func TestNothingIsWrittenBesideTheGateNorTwice(t *testing.T) {
	s := simulated()
	broken := &counting{next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close() // an answer that never comes
		}
	}), hold: make(chan struct{})}
	close(broken.hold)
	var lock *action.Lock
	c := open(t, broken, "root", func(o *vault.Options) { lock = o.Lock })
	write := func(ctx context.Context) error {
		return c.Write(ctx, "renew", vault.RightRenew, "sys/leases/renew", map[string]string{"lease_id": "x"}, nil)
	}
	var refused *action.RefusedError
	if err := write(t.Context()); !errors.As(err, &refused) || !errors.Is(err, action.ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	lock.Open()
	if err := write(t.Context()); !errors.As(err, &refused) {
		t.Errorf("beside the gate: %v", err)
	}
	if n := broken.seen.Load(); n != 0 {
		t.Fatalf("%d requests were sent", n)
	}
	plan := action.New(action.Plan{Verb: "renew", Target: c.Target("Lease", "", "x", "")}, action.Steps{Apply: write})
	gate := action.NewGate(lock, recorder{}, &clock{now: begin}, "test")
	if _, err := gate.Run(t.Context(), plan, action.Confirmation{}); !errors.Is(err, action.ErrUnsure) {
		t.Errorf("through the gate, cut: %v", err)
	}
	if n := broken.seen.Load(); n != 1 {
		t.Errorf("a write was sent %d times", n)
	}
	// Reading credentials makes them.
	err := open(t, s, "root").Read(t.Context(), vault.Query{Path: "database/creds/app"}, &struct{}{})
	if !errors.As(err, &refused) {
		t.Errorf("reading creds: %v", err)
	}
}

type recorder struct{}

func (recorder) Append(context.Context, action.Entry) error { return nil }

func TestExpiredInMidSession(t *testing.T) {
	s := simulated()
	c := open(t, s, "plain")
	if _, err := c.Self(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.RevokeToken("plain")
	_, err := c.Self(t.Context())
	var failed *vault.Error
	if !errors.As(err, &failed) || failed.Kind != vault.KindBadToken || !strings.Contains(failed.Next(), "vault login") {
		t.Errorf("got %v", err)
	}
}

func TestWrapTTLIsIgnored(t *testing.T) {
	t.Setenv("VAULT_WRAP_TTL", "5m")
	var wrapped atomic.Bool
	s := simulated()
	c := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Wrap-TTL") != "" {
			wrapped.Store(true)
		}
		s.ServeHTTP(w, r)
	}), "root")
	if _, err := c.Status(t.Context()); err != nil || wrapped.Load() {
		t.Errorf("%v, wrapped %v", err, wrapped.Load())
	}
}

func TestTheEnvironmentOfTheLibraryDoesNotReachTheServer(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "MIDWATCH_CANARY_other")
	t.Setenv("VAULT_NAMESPACE", "other")
	s := simulated()
	c := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != "root" || r.Header.Get("X-Vault-Namespace") != "" {
			t.Errorf("sent %v", r.Header)
		}
		s.ServeHTTP(w, r)
	}), "root")
	if _, err := c.Self(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLoginMintsAndGivesUpItsOwnToken(t *testing.T) {
	for _, l := range []vault.Login{
		{Method: vault.MethodUserpass, Username: "ada", Secret: secretOf("pw")},
		{Method: vault.MethodAppRole, RoleID: "role-1", Secret: secretOf("pw"), Mount: "team/approle"},
	} {
		t.Run(string(l.Method), func(t *testing.T) {
			s := simulated()
			path := map[vault.Method]string{vault.MethodUserpass: "auth/userpass/login/ada", vault.MethodAppRole: "auth/team/approle/login"}[l.Method]
			s.AddLogin(path, func(body map[string]any) *vaultsim.Token {
				if body["password"] != "pw" && body["secret_id"] != "pw" {
					return nil
				}
				return &vaultsim.Token{ID: "minted", Name: "minted", Policies: []string{"default"}, Expires: begin.Add(time.Hour)}
			})
			c := open(t, s, "", func(o *vault.Options) { o.Settings.Login = l })
			self, err := c.Self(t.Context())
			if err != nil || self.Name != "minted" || !self.Minted {
				t.Fatalf("%+v, %v", self, err)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			requests := s.Requests()
			if last := requests[len(requests)-1]; last.Path != "auth/token/revoke-self" || last.Status != http.StatusNoContent {
				t.Errorf("the last request is %+v", last)
			}
		})
	}
}

func TestTheUsersTokenIsNeverRevoked(t *testing.T) {
	s := simulated()
	c := open(t, s, "plain")
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests on closing", n)
	}
	var refused *action.RefusedError
	if err := c.Write(t.Context(), "", vault.Right{}, "auth/token/revoke-self", struct{}{}, nil); !errors.As(err, &refused) {
		t.Errorf("the transport lets it pass: %v", err)
	}
}

func TestKeepsATokenFromAnotherServer(t *testing.T) {
	_, err := tryOpen("https://vault.example:8200", "root", func(o *vault.Options) { o.Settings.AddressFrom = vault.FromSettings })
	var failed *vault.Error
	if !errors.As(err, &failed) || failed.Kind != vault.KindNoToken {
		t.Errorf("got %v", err)
	}
}

func TestAnswerWithoutEnd(t *testing.T) {
	c := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		for range 4096 {
			if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
				return // the client has read enough
			}
		}
	}), "root")
	err := c.Read(t.Context(), vault.Query{Path: "sys/metrics", Params: url.Values{}}, &struct{}{})
	var failed *vault.Error
	if !errors.As(err, &failed) || failed.Kind != vault.KindNotVault || len(failed.Error()) > 400 {
		t.Errorf("got %d bytes: %.200v", len(fmt.Sprint(err)), err)
	}
}
