package launchdarkly

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldservices"
	"github.com/launchdarkly/go-test-helpers/v3/httphelpers"
)

const (
	apiToken = "api-canary-2f61c0de-token"
	sdkKey   = "sdk-canary-91ab77e0-production"
)

type object = map[string]any

// account is LaunchDarkly in this process: the REST API with what was read of
// it (version pinning, permissions, approvals, conflicts, limits, dry runs, an
// audit log), and the SDKs' stream by LaunchDarkly's own test server. A change
// made over REST goes out on the stream.
type account struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	flags    map[string]object // REST form
	audit    []object          // newest first
	stream   httphelpers.SSEStreamControl
	streams  int // connections so far
	version  int
	requests []string // "PATCH /api/…?query"
	comments []string
	events   int // analytics that arrived; there must be none

	critical, confirm, comment, approval bool
	pending                              bool                       // a scheduled change conflicts
	fault                                func(*http.Request) *fault // nil for none
	streamStatus                         int                        // what the stream answers; 0 opens it
	mute                                 bool                       // the stream does not tell of changes
	series                               []object
}

// fault is an answer in place of the proper one.
type fault struct {
	status int
	header map[string]string
	body   string
	after  bool // the request is carried out, and its answer lost
}

func newAccount(t testing.TB) *account {
	t.Helper()
	a := &account{t: t, flags: map[string]object{}, critical: true, version: 1}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /all", a.serveStream)
	mux.HandleFunc("/bulk", func(http.ResponseWriter, *http.Request) { a.mu.Lock(); a.events++; a.mu.Unlock() })
	mux.HandleFunc("/diagnostic", func(http.ResponseWriter, *http.Request) { a.mu.Lock(); a.events++; a.mu.Unlock() })
	mux.HandleFunc("/api/v2/", a.serveAPI)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
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

// add puts a boolean flag into production.
func (a *account) add(key string, on bool, adjust ...func(object)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	env := object{
		"on": on, "archived": false, "version": 7, "lastModified": int64(1764200000000 + len(a.flags)*1000), "targets": []any{}, "contextTargets": []any{},
		"rules": []any{}, "fallthrough": object{"variation": 0}, "offVariation": 1, "prerequisites": []any{}, "salt": "s",
	}
	f := object{
		"key": key, "name": "Flag " + key, "kind": "boolean", "temporary": true, "creationDate": int64(1760000000000), "tags": []any{"team-shop"},
		"variations": []any{
			object{"_id": "id-true-" + key, "name": "on", "value": true}, object{"_id": "id-false-" + key, "name": "off", "value": false},
		},
		"_maintainer":  object{"email": "owner@example.com"},
		"environments": object{"production": env},
	}
	for _, f := range adjust {
		f(env)
	}
	a.flags[key] = f
}

func env(f object) object { return f["environments"].(object)["production"].(object) }

// sdkFlag is the flag as SDKs get it.
func sdkFlag(f object) object {
	out := maps.Clone(env(f))
	out["key"] = f["key"]
	var values []any
	for _, v := range f["variations"].([]any) {
		values = append(values, v.(object)["value"])
	}
	out["variations"] = values
	var rules []any
	for _, r := range out["rules"].([]any) {
		r = maps.Clone(r.(object))
		r.(object)["id"] = r.(object)["_id"]
		rules = append(rules, r)
	}
	out["rules"] = rules
	return out
}

func (a *account) serveStream(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	if a.streamStatus != 0 || r.Header.Get("Authorization") != sdkKey {
		status := a.streamStatus
		if status == 0 {
			status = http.StatusUnauthorized
		}
		a.mu.Unlock()
		w.WriteHeader(status)
		return
	}
	data := ldservices.NewServerSDKData()
	for _, f := range a.flags {
		data.Flags(sdkFlag(f))
	}
	h, control := ldservices.ServerSideStreamingServiceHandler(data.ToPutEvent())
	a.stream = control
	a.streams++
	a.mu.Unlock()
	h.ServeHTTP(w, r)
}

// push sends a flag out on the stream; the lock is held.
func (a *account) push(f object) {
	if a.stream == nil || a.mute {
		return
	}
	b, err := json.Marshal(object{"path": "/flags/" + f["key"].(string), "data": sdkFlag(f)})
	if err != nil {
		a.t.Error(err)
		return
	}
	a.stream.Enqueue(httphelpers.SSEEvent{Event: "patch", Data: string(b)})
}

// cut ends the stream's connections.
func (a *account) cut(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.streamStatus = status
	if a.stream != nil {
		a.stream.EndAll()
	}
}

// change is someone else's change.
func (a *account) change(key string, how func(object)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.commit(a.flags[key], how, "someone@example.com", "")
}

// commit changes production, writes the audit entry, tells the stream.
func (a *account) commit(f object, how func(object), who, comment string) {
	before := clone(f)
	how(env(f))
	a.version++
	env(f)["version"] = env(f)["version"].(int) + 1
	env(f)["lastModified"] = int64(1764209000000 + a.version)
	a.audit = slices.Insert(a.audit, 0, object{
		"_id": fmt.Sprintf("audit-%d", a.version), "date": int64(1764209000000 + a.version), "titleVerb": "updated the flag",
		"shortDescription": "updated " + f["key"].(string), "comment": comment, "member": object{"email": who},
		"target":          object{"resources": []any{"proj/shop:env/production:flag/" + f["key"].(string) + ";team-shop"}},
		"previousVersion": before, "currentVersion": clone(f),
	})
	a.push(f)
}

func clone(o object) object {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	var out object
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

func (a *account) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r.Method+" "+r.URL.RequestURI())
	var f *fault
	if a.fault != nil {
		f = a.fault(r)
	}
	if f != nil && !f.after {
		for k, v := range f.header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(f.status)
		fmt.Fprint(w, f.body)
		return
	}
	status, answer := a.answer(r, body)
	if f != nil { // carried out; the connection breaks before the answer
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Error(err)
	}
}

func refuse(status int, code, message string) (int, any) {
	return status, object{"code": code, "message": message}
}

func (a *account) answer(r *http.Request, body []byte) (int, any) {
	if r.Header.Get("Authorization") != apiToken {
		return refuse(401, "unauthorized", "Invalid account ID header; your token "+r.Header.Get("Authorization")+" is not valid")
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v2")
	isBeta := strings.HasSuffix(path, "/dependent-flags") || strings.HasPrefix(path, "/usage/")
	if v := r.Header.Get("LD-API-Version"); isBeta && v != "beta" || !isBeta && v != APIVersion {
		return refuse(403, "forbidden", "wrong LD-API-Version "+v)
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case path == "/caller-identity":
		return 200, object{"memberId": "m1", "tokenName": "console", "serviceToken": false}
	case path == "/members/m1":
		return 200, object{"email": "dana@example.com"}
	case parts[0] == "projects" && parts[1] != "shop", parts[0] == "flags" && parts[1] != "shop":
		return refuse(404, "not_found", "Unknown project key")
	case path == "/projects/shop/environments":
		return 200, object{"items": []any{object{
			"key": "production", "name": "Production", "apiKey": sdkKey, "critical": a.critical, "confirmChanges": a.confirm,
			"requireComments": a.comment, "approvalSettings": object{"required": a.approval, "minNumApprovals": 1},
		}}}
	case strings.HasPrefix(path, "/flag-statuses/"):
		return 200, object{"items": []any{object{"name": "inactive", "lastRequested": "2026-11-01T00:00:00Z", "_links": object{"parent": object{"href": "/api/v2/flags/shop/old"}}}}}
	case strings.HasSuffix(path, "/dependent-flags"):
		return 200, object{"items": []any{object{"key": "checkout-banner"}}}
	case strings.HasSuffix(path, "/approval-requests"), strings.HasSuffix(path, "/experiments"):
		return 200, object{"items": []any{}}
	case strings.HasSuffix(path, "/scheduled-changes"):
		return 200, object{"items": a.scheduled()}
	case strings.HasPrefix(path, "/usage/evaluations/"):
		return 200, object{"metadata": []any{object{"variation": 0}, object{"variation": 1}}, "series": a.series}
	case path == "/auditlog":
		return 200, a.auditLog(r)
	case parts[0] == "auditlog":
		i := slices.IndexFunc(a.audit, func(e object) bool { return e["_id"] == parts[1] })
		return 200, a.audit[i]
	case path == "/flags/shop":
		return 200, a.list(r)
	case parts[0] == "flags" && len(parts) == 3:
		return a.one(r, parts[2], body)
	}
	return refuse(404, "not_found", "no such route "+path)
}

func (a *account) scheduled() []any {
	if !a.pending {
		return []any{}
	}
	return []any{object{"executionDate": int64(1764300000000), "_maintainerId": "m2", "instructions": []any{object{"kind": "turnFlagOn"}}}}
}

func (a *account) auditLog(r *http.Request) object {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	_, key, _ := strings.Cut(r.URL.Query().Get("spec"), ":flag/")
	var items []any
	for _, e := range a.audit {
		short := maps.Clone(e)
		delete(short, "previousVersion")
		delete(short, "currentVersion")
		of := e["target"].(object)["resources"].([]any)[0].(string)
		if key == "*" || strings.Contains(of, "flag/"+key+";") {
			items = append(items, short)
		}
	}
	return object{"items": items[:min(len(items), limit)]}
}

func (a *account) list(r *http.Request) object {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	offset, _ := strconv.Atoi(q.Get("offset"))
	if limit > 100 {
		a.t.Errorf("the API of %s gives at most 100 at once, %d were asked for", APIVersion, limit)
	}
	var all []object
	for _, f := range a.flags {
		all = append(all, f)
	}
	slices.SortFunc(all, func(x, y object) int {
		return int(env(y)["lastModified"].(int64) - env(x)["lastModified"].(int64))
	})
	page := all[min(offset, len(all)):min(offset+limit, len(all))]
	items := []any{}
	for _, f := range page {
		short := maps.Clone(f)
		if q.Get("env") == "" {
			delete(short, "environments")
		}
		items = append(items, short)
	}
	return object{"items": items, "totalCount": len(all)}
}

func (a *account) one(r *http.Request, key string, body []byte) (int, any) {
	f := a.flags[key]
	if f == nil {
		return refuse(404, "not_found", "Unknown feature flag key")
	}
	if r.Method == http.MethodGet {
		return 200, f
	}
	switch q := r.URL.Query(); {
	case a.approval:
		return refuse(405, "method_not_allowed", "Flag configuration updates require approval: action 'updateOn' not allowed")
	case a.pending && q.Get("ignoreConflicts") != "true":
		return refuse(400, "invalid_request", "this change conflicts with a scheduled change")
	default:
		return a.patch(f, body, r.Header.Get("Content-Type"), q.Get("dryRun") == "true")
	}
}

func (a *account) patch(f object, body []byte, kind string, dry bool) (int, any) {
	var p struct {
		Comment        string        `json:"comment"`
		EnvironmentKey string        `json:"environmentKey"`
		Patch          []operation   `json:"patch"`
		Instructions   []instruction `json:"instructions"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return refuse(400, "invalid_request", err.Error())
	}
	target := f
	if dry {
		target = typed(clone(f))
	}
	var apply func(object)
	switch {
	case strings.Contains(kind, "semanticpatch") && len(p.Instructions) == 1:
		apply = p.Instructions[0].apply(f)
	case kind == jsonPatch && len(p.Patch) > 0:
		for _, o := range p.Patch {
			name := strings.TrimPrefix(o.Path, "/environments/production/")
			if o.Op == "test" && !reflect.DeepEqual(env(f)[name], o.Value) {
				return refuse(400, "invalid_request", "test operation failed for path "+o.Path)
			}
			if o.Op == "replace" {
				apply = func(e object) { e[name] = o.Value }
			}
		}
	}
	if apply == nil {
		return refuse(422, "invalid_patch", "Unprocessable entity")
	}
	if dry {
		apply(env(target))
		return 200, target
	}
	a.comments = append(a.comments, p.Comment)
	a.commit(f, apply, "dana@example.com", p.Comment)
	return 200, f
}

// typed puts the numbers back that JSON made floats of.
func typed(f object) object {
	e := env(f)
	e["version"] = int(e["version"].(float64))
	return f
}

type instruction struct {
	Kind           string         `json:"kind"`
	RuleID         string         `json:"ruleId"`
	VariationID    string         `json:"variationId"`
	RolloutWeights map[string]int `json:"rolloutWeights"`
}

func (i instruction) apply(f object) func(object) {
	serve := object{}
	for n, v := range f["variations"].([]any) {
		id := v.(object)["_id"].(string)
		if id == i.VariationID {
			serve["variation"] = n
		}
		if w, ok := i.RolloutWeights[id]; ok {
			r, _ := serve["rollout"].(object)
			if r == nil {
				r = object{"variations": []any{}}
				serve["rollout"] = r
			}
			r["variations"] = append(r["variations"].([]any), object{"variation": n, "weight": w})
		}
	}
	switch i.Kind {
	case "updateFallthroughVariationOrRollout":
		return func(e object) { e["fallthrough"] = serve }
	case "updateRuleVariationOrRollout":
		return func(e object) {
			for _, r := range e["rules"].([]any) {
				if r.(object)["_id"] == i.RuleID {
					delete(r.(object), "variation")
					delete(r.(object), "rollout")
					maps.Copy(r.(object), serve)
				}
			}
		}
	}
	return nil
}

// sent are the requests that wrote.
func (a *account) sent() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, r := range a.requests {
		if !strings.HasPrefix(r, "GET ") {
			out = append(out, r)
		}
	}
	return out
}

// set changes the account's behaviour.
func (a *account) set(how func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how()
}

func (a *account) on(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return env(a.flags[key])["on"].(bool)
}

// soon is a bound for what takes milliseconds on a quiet machine.
const soon = 20 * time.Second
