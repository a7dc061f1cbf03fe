// Package ldtest is LaunchDarkly in this process, for tests: the REST API as far
// as midwatch uses it, written from LaunchDarkly's specification and
// documentation, and the SDKs' stream by LaunchDarkly's own test server. It
// shares no code with the provider that is tested with it.
//
//	account.go   Account: flags, knobs, what arrived
//	stream.go    the SDKs' stream
//	api.go       the REST API: reading
//	patch.go     the REST API: changing
package ldtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/launchdarkly/go-test-helpers/v3/httphelpers"
)

// What the account asks for: a token for the REST API, and the SDK key of
// production. Both hold the word canary, so that a test finds them wherever
// they leak.
const (
	APIToken = "api-canary-2f61c0de-token"
	SDKKey   = "sdk-canary-91ab77e0-production"
)

// APIVersion is the version of the REST API that the account speaks.
const APIVersion = "20240415"

// Object is JSON.
type Object = map[string]any

// Account is LaunchDarkly in this process: the REST API with what was read of
// it (version pinning, permissions, approvals, conflicts, limits, dry runs, an
// audit log), and the SDKs' stream by LaunchDarkly's own test server. A change
// made over REST goes out on the stream.
//
// Its fields are changed and read within [Account.Set].
type Account struct {
	*httptest.Server
	// Flags are in the REST API's form, by key.
	Flags map[string]Object
	// Requests are all that came to the REST API: "PATCH /api/…?query".
	Requests []string
	// Comments are those of the changes that were made.
	Comments []string
	// Streams counts the SDKs' connections so far.
	Streams int

	// Critical, Confirm, Comment and Approval are production's settings.
	Critical, Confirm, Comment, Approval bool
	// Pending has a scheduled change conflict with any other.
	Pending bool
	// Fault may answer a request to the REST API in place of the account.
	Fault func(*http.Request) *Fault
	// StreamStatus is what the stream answers; 0 opens it.
	StreamStatus int
	// Mute keeps the stream from telling of changes.
	Mute bool
	// Series are the evaluations that were counted.
	Series []Object

	t       testing.TB
	mu      sync.Mutex
	audit   []Object // newest first
	stream  httphelpers.SSEStreamControl
	version int
	events  int // analytics that arrived; there must be none
}

// Fault is an answer in place of the proper one.
type Fault struct {
	Status int
	Header map[string]string
	Body   string
	// After has the request carried out, and its answer lost.
	After bool
}

// New starts an account; it ends with the test.
func New(t testing.TB) *Account {
	t.Helper()
	a := &Account{t: t, Flags: map[string]Object{}, Critical: true, version: 1}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /all", a.serveStream)
	mux.HandleFunc("/bulk", func(http.ResponseWriter, *http.Request) { a.mu.Lock(); a.events++; a.mu.Unlock() })
	mux.HandleFunc("/diagnostic", func(http.ResponseWriter, *http.Request) { a.mu.Lock(); a.events++; a.mu.Unlock() })
	mux.HandleFunc("/api/v2/", a.serveAPI)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		_ = a.Listener.Close() // first: a stream opened anew just now would hold up the end
		a.CloseClientConnections()
		a.Close()
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.events != 0 {
			t.Errorf("%d analytics events were sent", a.events)
		}
	})
	return a
}

// Add puts a boolean flag into production.
func (a *Account) Add(key string, on bool, adjust ...func(Object)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	env := Object{
		"on": on, "archived": false, "version": 7, "lastModified": int64(1764200000000 + len(a.Flags)*1000), "targets": []any{}, "contextTargets": []any{},
		"rules": []any{}, "fallthrough": Object{"variation": 0}, "offVariation": 1, "prerequisites": []any{}, "salt": "s",
	}
	f := Object{
		"key": key, "name": "Flag " + key, "kind": "boolean", "temporary": true, "creationDate": int64(1760000000000), "tags": []any{"team-shop"},
		"variations": []any{
			Object{"_id": "id-true-" + key, "name": "on", "value": true}, Object{"_id": "id-false-" + key, "name": "off", "value": false},
		},
		"_maintainer":  Object{"email": "owner@example.com"},
		"environments": Object{"production": env},
	}
	for _, f := range adjust {
		f(env)
	}
	a.Flags[key] = f
}

// Env is what a flag is in production.
func Env(f Object) Object { return f["environments"].(Object)["production"].(Object) }

// Change is someone else's change.
func (a *Account) Change(key string, how func(Object)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.commit(a.Flags[key], how, "someone@example.com", "")
}

// commit changes production, writes the audit entry, tells the stream.
func (a *Account) commit(f Object, how func(Object), who, comment string) {
	before := clone(f)
	how(Env(f))
	a.version++
	Env(f)["version"] = Env(f)["version"].(int) + 1
	Env(f)["lastModified"] = int64(1764209000000 + a.version)
	a.audit = slices.Insert(a.audit, 0, Object{
		"_id": fmt.Sprintf("audit-%d", a.version), "date": int64(1764209000000 + a.version), "titleVerb": "updated the flag",
		"shortDescription": "updated " + f["key"].(string), "comment": comment, "member": Object{"email": who},
		"target":          Object{"resources": []any{"proj/shop:env/production:flag/" + f["key"].(string) + ";team-shop"}},
		"previousVersion": before, "currentVersion": clone(f),
	})
	a.push(f)
}

func clone(o Object) Object {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	var out Object
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

// Sent are the requests that wrote.
func (a *Account) Sent() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, r := range a.Requests {
		if !strings.HasPrefix(r, "GET ") {
			out = append(out, r)
		}
	}
	return out
}

// Set changes the account's behaviour.
func (a *Account) Set(how func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how()
}

// On reports whether a flag is on in production.
func (a *Account) On(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Env(a.Flags[key])["on"].(bool)
}

// Many adds that many flags with a rule and a percentage rollout each.
func (a *Account) Many(n int) {
	for i := range n {
		a.Add(fmt.Sprintf("flag-%04d", i), i%7 != 0, func(e Object) {
			e["rules"] = []any{Object{"_id": "r1", "variation": 1, "clauses": []any{
				Object{"attribute": "region", "op": "in", "values": []any{"eu", "uk"}, "contextKind": "user"},
				Object{"attribute": "version", "op": "semVerGreaterThan", "values": []any{"1.2.3"}, "contextKind": "user"},
			}}}
			e["fallthrough"] = Object{"rollout": Object{"variations": []any{Object{"variation": 0, "weight": 25000}, Object{"variation": 1, "weight": 75000}}}}
		})
	}
}
