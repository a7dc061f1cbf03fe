package ldtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (a *Account) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Requests = append(a.Requests, r.Method+" "+r.URL.RequestURI())
	var f *Fault
	if a.Fault != nil {
		f = a.Fault(r)
	}
	if f != nil && !f.After {
		for k, v := range f.Header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(f.Status)
		fmt.Fprint(w, f.Body)
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
	return status, Object{"code": code, "message": message}
}

func (a *Account) answer(r *http.Request, body []byte) (int, any) {
	if r.Header.Get("Authorization") != APIToken {
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
		return 200, Object{"memberId": "m1", "tokenName": "console", "serviceToken": false}
	case path == "/members/m1":
		return 200, Object{"email": "dana@example.com"}
	case parts[0] == "projects" && parts[1] != "shop", parts[0] == "flags" && parts[1] != "shop":
		return refuse(404, "not_found", "Unknown project key")
	case path == "/projects/shop/environments":
		return 200, Object{"items": []any{Object{
			"key": "production", "name": "Production", "apiKey": SDKKey, "critical": a.Critical, "confirmChanges": a.Confirm,
			"requireComments": a.Comment, "approvalSettings": Object{"required": a.Approval, "minNumApprovals": 1},
		}}}
	case path == "/auditlog":
		return 200, a.auditLog(r)
	case parts[0] == "auditlog":
		i := slices.IndexFunc(a.audit, func(e Object) bool { return e["_id"] == parts[1] })
		return 200, a.audit[i]
	case path == "/flags/shop":
		return 200, a.list(r)
	case parts[0] == "flags" && len(parts) == 3:
		return a.one(r, parts[2], body)
	}
	return a.beside(path)
}

// beside is what else there is to know about a flag.
func (a *Account) beside(path string) (int, any) {
	switch {
	case strings.HasPrefix(path, "/flag-statuses/"):
		return 200, Object{"items": []any{Object{"name": "inactive", "lastRequested": "2026-11-01T00:00:00Z", "_links": Object{"parent": Object{"href": "/api/v2/flags/shop/old"}}}}}
	case strings.HasSuffix(path, "/dependent-flags"):
		return 200, Object{"items": []any{Object{"key": "checkout-banner"}}}
	case strings.HasSuffix(path, "/approval-requests"), strings.HasSuffix(path, "/experiments"):
		return 200, Object{"items": []any{}}
	case strings.HasSuffix(path, "/scheduled-changes"):
		return 200, Object{"items": a.scheduled()}
	case strings.HasPrefix(path, "/usage/evaluations/"):
		return 200, Object{"metadata": []any{Object{"variation": 0}, Object{"variation": 1}}, "series": a.Series}
	}
	return refuse(404, "not_found", "no such route "+path)
}

func (a *Account) scheduled() []any {
	if !a.Pending {
		return []any{}
	}
	return []any{Object{"executionDate": int64(1764300000000), "_maintainerId": "m2", "instructions": []any{Object{"kind": "turnFlagOn"}}}}
}

func (a *Account) auditLog(r *http.Request) Object {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	_, key, _ := strings.Cut(r.URL.Query().Get("spec"), ":flag/")
	var items []any
	for _, e := range a.audit {
		short := maps.Clone(e)
		delete(short, "previousVersion")
		delete(short, "currentVersion")
		of := e["target"].(Object)["resources"].([]any)[0].(string)
		if key == "*" || strings.Contains(of, "flag/"+key+";") {
			items = append(items, short)
		}
	}
	return Object{"items": items[:min(len(items), limit)]}
}

func (a *Account) list(r *http.Request) Object {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	offset, _ := strconv.Atoi(q.Get("offset"))
	if limit > 100 {
		a.t.Errorf("the API of %s gives at most 100 at once, %d were asked for", APIVersion, limit)
	}
	type dated struct {
		flag Object
		at   int64
	}
	all := make([]dated, 0, len(a.Flags))
	for _, f := range a.Flags {
		all = append(all, dated{f, Env(f)["lastModified"].(int64)})
	}
	slices.SortFunc(all, func(x, y dated) int { return cmp.Compare(y.at, x.at) })
	page := all[min(offset, len(all)):min(offset+limit, len(all))]
	items := []any{}
	for _, f := range page {
		short := maps.Clone(f.flag)
		if q.Get("env") == "" {
			delete(short, "environments")
		}
		items = append(items, short)
	}
	return Object{"items": items, "totalCount": len(all)}
}
