// Package flags tests midwatch's flag providers against a real Unleash server
// on a real PostgreSQL, with Unleash's own Go SDK as the witness that a change
// was really seen.
package flags

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/Unleash/unleash-client-go/v4"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/unleash"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/testbed"
)

var server *testbed.Unleash

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var err error
	server, err = testbed.StartUnleash(ctx, testbed.UnleashOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

const (
	kubeContext = "prod-eu"
	clusterUID  = "5f0f2c1e"
)

// console is what a session has: a lock, a gate with a journal on disk, a
// provider.
type console struct {
	*unleash.Provider
	lock    *action.Lock
	gate    *action.Gate
	journal string
}

// open makes a console on the server; adjust changes the provider's options.
func open(t *testing.T, adjust ...func(*unleash.Options)) *console {
	t.Helper()
	clock := live.SystemClock{}
	lock := action.NewLock(clock, kubeContext, clusterUID)
	o := unleash.Options{
		Name: "unleash", Address: server.URL, Project: "default", Environment: "production",
		Token: secret.New(server.AdminToken), TokenFrom: "$UNLEASH_TOKEN",
		SDKKey: secret.New(server.BackendTokens["production"]), SDKKeyFrom: "$UNLEASH_SDK",
		Lock: lock, Clock: clock, Interval: time.Second,
	}
	for _, f := range adjust {
		f(&o)
	}
	p, err := unleash.New(o)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{Provider: p, lock: lock, journal: filepath.Join(t.TempDir(), "state", "journal.jsonl")}
	c.gate = action.NewGate(lock, action.NewJournal(c.journal, clock), clock, "dana@example.com")
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		c.noSecrets(t)
	})
	return c
}

// noSecrets looks for the tokens in what is left on disk and in what the
// provider prints.
func (c *console) noSecrets(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(c.journal)
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	printed, err := json.Marshal([]any{c.Info(), c.Status()})
	if err != nil {
		t.Error(err)
	}
	all := string(b) + string(printed) + fmt.Sprintf("%v %+v %#v", c.Info(), c.Status(), c.Provider)
	for _, secret := range append([]string{server.AdminToken}, server.BackendTokens["production"], server.BackendTokens["development"]) {
		if strings.Contains(all, secret) {
			t.Errorf("a token is in the journal or in what the provider prints")
		}
	}
}

// api sets the scene, beside midwatch.
func api(t *testing.T, method, path string, body, out any) {
	t.Helper()
	if err := server.API(t.Context(), method, path, body, out); err != nil {
		t.Fatal(err)
	}
}

const features = "/api/admin/projects/default/features"

// flagNamed makes a flag whose name is the test's.
func flagNamed(t *testing.T, kind string, strategies ...map[string]any) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", ".", " ", "-").Replace(t.Name()))
	api(t, http.MethodPost, features, map[string]any{"name": name, "type": kind}, nil)
	for _, s := range strategies {
		api(t, http.MethodPost, features+"/"+name+"/environments/production/strategies", s, nil)
	}
	return name
}

func turn(t *testing.T, name, how string) {
	t.Helper()
	api(t, http.MethodPost, features+"/"+name+"/environments/production/"+how, nil, nil)
}

// configured is the production environment of a flag as the server has it,
// without what counts and dates.
func configured(t *testing.T, name string) string {
	t.Helper()
	var f struct {
		Environments []map[string]any `json:"environments"`
	}
	api(t, http.MethodGet, features+"/"+name, nil, &f)
	for _, e := range f.Environments {
		if e["name"] == "production" {
			b, err := json.MarshalIndent(map[string]any{"enabled": e["enabled"], "strategies": e["strategies"], "variants": e["variants"]}, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
	}
	t.Fatalf("flag %s is not in production", name)
	return ""
}

func rollout(percent string, constraints ...map[string]any) map[string]any {
	if constraints == nil {
		constraints = []map[string]any{}
	}
	return map[string]any{
		"name": "flexibleRollout", "constraints": constraints,
		"parameters": map[string]any{"rollout": percent, "stickiness": "default", "groupId": "g"},
	}
}

// witness is an application with Unleash's own SDK. Nothing of midwatch is in
// it.
func witness(t *testing.T, opts ...sdk.ConfigOption) *sdk.Client {
	t.Helper()
	opts = append([]sdk.ConfigOption{
		sdk.WithUrl(server.URL + "/api/"), sdk.WithAppName("checkout"), sdk.WithListener(&sdk.NoopListener{}),
		sdk.WithCustomHeaders(http.Header{"Authorization": {server.BackendTokens["production"]}}),
		sdk.WithRefreshInterval(300 * time.Millisecond), sdk.WithDisableMetrics(true), sdk.WithBackupPath(t.TempDir()),
	}, opts...)
	c, err := sdk.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	c.WaitForReady()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// carry plans, runs and verifies an edit, as the console does.
func (c *console) carry(t *testing.T, e flags.Edit, pinned *flags.EvalContext) (*flags.Proposal, action.Outcome, string, error) {
	t.Helper()
	prop, err := c.Plan(t.Context(), e, pinned)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: e.Key, Reason: "INC-42"})
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := c.gate.Verify(t.Context(), out)
	return prop, out, text, err
}

func edit(kind flags.EditKind, key string) flags.Edit {
	return flags.Edit{Kind: kind, Environment: "production", Key: key}
}

func (c *console) entries(t *testing.T) []action.Entry {
	t.Helper()
	b, err := os.ReadFile(c.journal)
	if err != nil {
		t.Fatal(err)
	}
	var out []action.Entry
	for line := range bytes.Lines(b) {
		var e action.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}
