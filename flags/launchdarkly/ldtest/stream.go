package ldtest

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldservices"
	"github.com/launchdarkly/go-test-helpers/v3/httphelpers"
)

// sdkFlag is the flag as SDKs get it.
func sdkFlag(f Object) Object {
	out := maps.Clone(Env(f))
	out["key"] = f["key"]
	var values []any
	for _, v := range f["variations"].([]any) {
		values = append(values, v.(Object)["value"])
	}
	out["variations"] = values
	var rules []any
	for _, r := range out["rules"].([]any) {
		r = maps.Clone(r.(Object))
		r.(Object)["id"] = r.(Object)["_id"]
		rules = append(rules, r)
	}
	out["rules"] = rules
	return out
}

func (a *Account) serveStream(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	if a.StreamStatus != 0 || r.Header.Get("Authorization") != SDKKey {
		status := a.StreamStatus
		if status == 0 {
			status = http.StatusUnauthorized
		}
		a.mu.Unlock()
		w.WriteHeader(status)
		return
	}
	data := ldservices.NewServerSDKData()
	for _, f := range a.Flags {
		data.Flags(sdkFlag(f))
	}
	h, control := ldservices.ServerSideStreamingServiceHandler(data.ToPutEvent())
	a.stream = control
	a.Streams++
	a.mu.Unlock()
	h.ServeHTTP(w, r)
}

// push sends a flag out on the stream; the lock is held.
func (a *Account) push(f Object) {
	if a.stream == nil || a.Mute {
		return
	}
	b, err := json.Marshal(Object{"path": "/flags/" + f["key"].(string), "data": sdkFlag(f)})
	if err != nil {
		a.t.Error(err)
		return
	}
	a.stream.Enqueue(httphelpers.SSEEvent{Event: "patch", Data: string(b)})
}

// Cut ends the stream's connections.
func (a *Account) Cut(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.StreamStatus = status
	if a.stream != nil {
		a.stream.EndAll()
	}
}
