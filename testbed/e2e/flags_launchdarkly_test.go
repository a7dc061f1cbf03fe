//go:build !scale

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"midwatch/flags/launchdarkly/ldtest"
	"midwatch/flags/ofrep/ofreptest"
)

// openServices starts LaunchDarkly and an OFREP server in this process and the
// console on both, with the flags on the screen.
func openServices(t *testing.T) (*console, string, *ldtest.Account, *ofreptest.Server) {
	t.Helper()
	a, o := ldtest.New(t), ofreptest.New(t)
	a.Add("banner", false)
	a.Add("checkout-v2", true, func(e ldtest.Object) {
		e["rules"] = []any{ldtest.Object{"_id": "r1", "description": "EU", "variation": 1, "clauses": []any{
			ldtest.Object{"attribute": "region", "op": "in", "values": []any{"eu", "uk"}, "contextKind": "user"},
		}}}
	})
	c, journal := openFlags(t, fmt.Sprintf(`flags:
- {type: launchdarkly, address: %q, stream: %q, project: shop, environment: production, token: {env: LD_TOKEN}, dryRun: true}
- {name: flagd, type: ofrep, address: %q, environment: production, token: {env: OFREP_TOKEN}}
`, a.URL, a.URL, o.URL), "LD_TOKEN="+ldtest.APIToken, "OFREP_TOKEN="+ofreptest.Token)
	c.see(30*time.Second, "READ-ONLY")
	c.send("8z")
	c.until(20*time.Second, "what the flags are in production", func(screen string) bool {
		return strings.Contains(screen, "checkout-v2 on") && strings.Contains(screen, "banner      off") && strings.Contains(screen, "color       on")
	})
	return c, journal, a, o
}

// unlock opens the lock for ten minutes.
func (c *console) unlock() {
	c.t.Helper()
	c.send(":unlock 10m"+enter, "Unlock bed-admin?")
	c.send(enter, "UNLOCKED")
}

// TestLaunchDarklyFromTheConsole is the whole way in a terminal: list, detail,
// ask, locked, unlocked, typed, reasoned, every proof with its time, undone.
func TestLaunchDarklyFromTheConsole(t *testing.T) {
	c, journal, a, _ := openServices(t)
	begun := c.Mark()
	c.send("/checkout"+enter, "1 of 5 shown")
	c.send(enter, "flag checkout-v2 in production", "region is eu or uk", "owner@example.com")
	c.leave("region is eu or uk")
	c.send("a", "Ask for whom?")
	c.send("user-42 region=eu"+enter, "TARGETING_MATCH")
	c.send("a", "Ask for whom?")
	c.send("\x15user-42 region=us"+enter, "DEFAULT")

	c.send("t", "Turn checkout-v2 off in production?", "read-only: context bed-admin is locked")
	c.leave("Turn checkout-v2 off")
	c.unlock()
	c.send("t", "Turn checkout-v2 off in production?", "Everyone gets off.", "what user-42 region=us gets", "1 flag depends on it: checkout-banner", "type checkout-v2")
	c.send("banner" + enter) // another flag's name confirms nothing
	c.send("\x15checkout-v2"+enter, "reason")
	c.send("INC-42 checkout fails" + enter)
	c.see(30*time.Second, "turn off checkout-v2", "✓ API accepted", "✓ read back", "✓ SDK path saw it", "DISABLED")
	c.timed("API accepted", "read back", "SDK path saw it")
	if a.On("checkout-v2") {
		t.Error("LaunchDarkly has it on")
	}

	c.confirmFlag("u", "Turn checkout-v2 on in production?")
	c.see(30*time.Second, "undo: turn on checkout-v2", "✓ API accepted", "✓ read back", "✓ SDK path saw it", "DEFAULT")
	c.timed("API accepted", "read back", "SDK path saw it")
	if !a.On("checkout-v2") {
		t.Error("the undo left it off")
	}
	raw := string(c.Raw(begun))
	c.quit()

	phases := ""
	for _, e := range entries(t, journal) {
		phases += e.Phase + " "
	}
	if phases != "intent applied verified intent applied verified " {
		t.Errorf("the journal tells %q", phases)
	}
	recorded, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"INC-42 checkout fails", "SDK path saw it"} {
		if !strings.Contains(string(recorded), want) {
			t.Errorf("no %q in the journal:\n%s", want, recorded)
		}
	}
	a.Set(func() {
		if len(a.Comments) != 2 || a.Comments[0] != "INC-42 checkout fails" {
			t.Errorf("comments %q", a.Comments)
		}
	})
	if strings.Contains(raw+string(recorded), "canary") {
		t.Error("a token was written to the terminal or the journal")
	}
}

// timed checks that each step on the screen has its time.
func (c *console) timed(steps ...string) {
	c.t.Helper()
	for _, step := range steps {
		_, after, _ := strings.Cut(c.Screen(), step)
		line, _, _ := strings.Cut(after, "\n")
		if f := strings.Fields(line); len(f) == 0 || !strings.HasSuffix(f[0], "s") || !strings.ContainsAny(f[0][:1], "0123456789") {
			c.t.Errorf("%s has no time: %q", step, line)
		}
	}
}

// TestOFREPFromTheConsole: it only evaluates, and the keys that would write
// say so.
func TestOFREPFromTheConsole(t *testing.T) {
	c, _, _, o := openServices(t)
	c.send("/flagd"+enter, "3 of 5 shown")
	c.send("a", "Ask for whom?")
	c.send("user-42 plan=pro"+enter, "TARGETING_MATCH", "PARSE_ERROR")
	c.send("t", "the protocol only evaluates")
	c.send("%", "the protocol only evaluates")
	c.send(enter, "flag broken in production")
	c.leave("flag broken in production")
	o.Set(func() { o.Color = "green" })
	c.send("R", "green")
	o.Set(func() { o.Down = http.StatusServiceUnavailable })
	c.send("R", "flagd could not be read", "HTTP 503")
	c.see(time.Second, "color", "vip") // the list is not lost
	o.Set(func() { o.Down = 0 })
	c.send("R")
	c.until(30*time.Second, "it is well again", func(screen string) bool {
		return !strings.Contains(screen, "could not be read") && !strings.Contains(screen, "may be old")
	})
	c.quit()
}

// TestLaunchDarklyRefusesInTheConsole: each refusal has its words, and nothing
// is changed.
func TestLaunchDarklyRefusesInTheConsole(t *testing.T) {
	c, _, a, _ := openServices(t)
	c.unlock()
	writing := func(r *http.Request) bool {
		return r.Method == http.MethodPatch && !strings.Contains(r.URL.RawQuery, "dryRun")
	}
	refuse := func(f ldtest.Fault) {
		a.Set(func() {
			a.Fault = func(r *http.Request) *ldtest.Fault {
				if writing(r) {
					return &f
				}
				return nil
			}
		})
	}
	c.send("/checkout"+enter, "1 of 5 shown")

	a.Set(func() { a.Approval = true })
	c.confirmFlag("t", "Turn checkout-v2 off in production?")
	c.see(20*time.Second, "approval")
	a.Set(func() { a.Approval = false })

	refuse(ldtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "7"}, Body: "{}"})
	c.confirmFlag("t", "Turn checkout-v2 off in production?")
	c.see(20*time.Second, "rate limited, try again in 7s")

	refuse(ldtest.Fault{Status: 403, Body: `{"code":"forbidden","message":"access denied for updateOn"}`})
	c.confirmFlag("t", "Turn checkout-v2 off in production?")
	c.see(20*time.Second, "updateOn")
	a.Set(func() { a.Fault = nil })
	if !a.On("checkout-v2") {
		t.Error("it was changed all the same")
	}

	a.Change("checkout-v2", func(e ldtest.Object) { e["description"] = "x" })
	c.send("a", "Ask for whom?")
	c.send("user-42"+enter, "DEFAULT")
	a.Cut(http.StatusBadGateway)
	c.see(30*time.Second, "launchdarkly values may be old", "STALE")
	a.Set(func() { env := ldtest.Env(a.Flags["checkout-v2"]); env["on"], env["version"] = false, 2 }) // older than what was heard
	a.Cut(0)
	c.until(60*time.Second, "the stream is back and everything was evaluated again", func(screen string) bool {
		return !strings.Contains(screen, "may be old") && strings.Contains(screen, "DISABLED")
	})

	a.Set(func() { delete(a.Flags, "checkout-v2") })
	c.send("R")
	c.see(30*time.Second, "None of 4 flags matches")
	c.quit()
}
