package unleash

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/flags/toggle"
	"midwatch/foreign"
)

// restore is the undo of a change: back to exactly the strategies that were.
type restore struct {
	*change
	to     *envState
	remove []string // strategies that the server added
}

// describe says what the way back does.
func (r *restore) describe(d *toggle.Draft) {
	d.Changes = []action.Field{{Path: "enabled", Before: foreign.Text(onOff(r.was.Enabled)), After: foreign.Text(onOff(r.to.Enabled))}}
	d.Effect = fmt.Sprintf("It gives %s again.", state(r.to).Serves)
	if r.edit.Kind == flags.SetRollout {
		now, _ := r.target.rollout()
		d.Changes = []action.Field{{Path: "rollout of " + title(r.target), Before: foreign.Text(flags.Percent(float64(now))), After: foreign.Text(flags.Percent(r.edit.Percent))}}
	}
	if len(r.remove) > 0 {
		d.Changes = append(d.Changes, action.Field{
			Path: "strategies", Before: foreign.Text(plural(len(r.was.Strategies), "strategy", "strategies")),
			After: foreign.Text(fmt.Sprintf("%s: the one that the server added is removed", plural(len(r.to.Strategies), "strategy", "strategies"))),
		})
	}
	d.Undo = "This is the undo; it is not undone again."
	d.Equivalent = fmt.Sprintf("curl -X POST -H \"Authorization: %s\" '%s'", r.tokenVariable(), r.p.opts.Address+r.path(string(r.edit.Kind)))
}

// apply switches first, which is what matters, then removes what the server
// added: on the way here, or by switching on now.
func (r *restore) apply(ctx context.Context, reason string) (string, error) {
	if _, err := r.change.apply(ctx, reason); err != nil {
		return "", err
	}
	if r.edit.Kind == flags.SetRollout {
		return "", nil
	}
	_, e, err := r.p.feature(ctx, r.edit.Environment, r.edit.Key)
	if err != nil {
		return "", fmt.Errorf("%w: switched, but reading it back failed: %w", action.ErrUnsure, err)
	}
	keep := ids(r.to.Strategies)
	var removed int
	for _, id := range ids(e.Strategies) {
		if slices.Contains(keep, id) {
			continue
		}
		_, err := r.p.admin.Do(ctx, rest.Call{Doing: "remove the strategy that the server added to " + r.edit.Key, Method: http.MethodDelete, Path: r.strategyPath(id)})
		if err != nil {
			return "", fmt.Errorf("%w: it is %s, but the strategy that the server added is still there: %w", action.ErrUnsure, onOff(e.Enabled), err)
		}
		removed++
	}
	if removed == 0 {
		return "", nil
	}
	return "removed " + plural(removed, "strategy", "strategies") + " that the server had added", nil
}

// readBack is satisfied only by exactly what was.
func (r *restore) readBack(ctx context.Context) (toggle.Outcome, string, error) {
	_, e, err := r.p.feature(ctx, r.edit.Environment, r.edit.Key)
	if err != nil {
		return toggle.Other, "", err
	}
	switch e.fingerprint() {
	case r.to.fingerprint():
		return toggle.AsWanted, strings.TrimSpace(onOff(e.Enabled) + ", exactly as before the change"), nil
	case r.was.fingerprint():
		return toggle.AsBefore, "it is as before", nil
	}
	return toggle.Other, fmt.Sprintf("it gives %s; %s", state(e).Serves, r.whoChanged(ctx)), nil
}
