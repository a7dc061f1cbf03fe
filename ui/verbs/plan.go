package verbs

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/ui/pane"
)

// Plan has a plan made, off the UI goroutine, and asks for it to be confirmed.
// what says in words what it will do: "restart Deployment shop/api".
func (v *Verbs) Plan(env *pane.Env, what string, make func(ctx context.Context) (*action.Plan, error)) tea.Cmd {
	return v.plan(env, what, make)
}
