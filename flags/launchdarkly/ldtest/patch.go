package ldtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strings"
)

func (a *Account) one(r *http.Request, key string, body []byte) (int, any) {
	f := a.Flags[key]
	if f == nil {
		return refuse(404, "not_found", "Unknown feature flag key")
	}
	if r.Method == http.MethodGet {
		return 200, f
	}
	switch q := r.URL.Query(); {
	case a.Approval:
		return refuse(405, "method_not_allowed", "Flag configuration updates require approval: action 'updateOn' not allowed")
	case a.Pending && q.Get("ignoreConflicts") != "true":
		return refuse(400, "invalid_request", "this change conflicts with a scheduled change")
	default:
		return a.patch(f, body, r.Header.Get("Content-Type"), q.Get("dryRun") == "true")
	}
}

func (a *Account) patch(f Object, body []byte, kind string, dry bool) (int, any) {
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
	var apply func(Object)
	switch {
	case strings.Contains(kind, "semanticpatch") && len(p.Instructions) == 1:
		apply = p.Instructions[0].apply(f)
	case kind == "application/json" && len(p.Patch) > 0:
		for _, o := range p.Patch {
			name := strings.TrimPrefix(o.Path, "/environments/production/")
			if o.Op == "test" && !reflect.DeepEqual(Env(f)[name], o.Value) {
				return refuse(400, "invalid_request", "test operation failed for path "+o.Path)
			}
			if o.Op == "replace" {
				apply = func(e Object) { e[name] = o.Value }
			}
		}
	}
	if apply == nil {
		return refuse(422, "invalid_patch", "Unprocessable entity")
	}
	if dry {
		apply(Env(target))
		return 200, target
	}
	a.Comments = append(a.Comments, p.Comment)
	a.commit(f, apply, "dana@example.com", p.Comment)
	return 200, f
}

// typed puts the numbers back that JSON made floats of.
func typed(f Object) Object {
	e := Env(f)
	e["version"] = int(e["version"].(float64))
	return f
}

type instruction struct {
	Kind           string         `json:"kind"`
	RuleID         string         `json:"ruleId"`
	VariationID    string         `json:"variationId"`
	RolloutWeights map[string]int `json:"rolloutWeights"`
}

func (i instruction) apply(f Object) func(Object) {
	serve := Object{}
	for n, v := range f["variations"].([]any) {
		id := v.(Object)["_id"].(string)
		if id == i.VariationID {
			serve["variation"] = n
		}
		if w, ok := i.RolloutWeights[id]; ok {
			r, _ := serve["rollout"].(Object)
			if r == nil {
				r = Object{"variations": []any{}}
				serve["rollout"] = r
			}
			r["variations"] = append(r["variations"].([]any), Object{"variation": n, "weight": w})
		}
	}
	switch i.Kind {
	case "updateFallthroughVariationOrRollout":
		return func(e Object) { e["fallthrough"] = serve }
	case "updateRuleVariationOrRollout":
		return func(e Object) {
			for _, r := range e["rules"].([]any) {
				if r.(Object)["_id"] == i.RuleID {
					delete(r.(Object), "variation")
					delete(r.(Object), "rollout")
					maps.Copy(r.(Object), serve)
				}
			}
		}
	}
	return nil
}

// operation is one of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}
