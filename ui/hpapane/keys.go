package hpapane

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Planner makes plans for autoscalers; k8s/change has one. It reads the
// cluster and writes nothing.
type Planner interface {
	PlanLimits(ctx context.Context, ref k8s.Ref, lowest, highest int) (*action.Plan, error)
	PlanSuspendScaleDown(ctx context.Context, ref k8s.Ref) (*action.Plan, error)
	PlanAllowScaleDown(ctx context.Context, ref k8s.Ref) (*action.Plan, error)
}

// Bindings are the keys for the autoscaler.
func (p *Pane) Bindings() []bind.Binding {
	list := []bind.Binding{
		p.foldKey("enter"), p.foldKey("space"),
		p.open("events", "events", "Read all events about the autoscaler.", 3, pane.Events, "e"),
		p.open("yaml", "yaml", "Read the autoscaler as YAML.", 4, pane.YAML, "y"),
		p.limits(), p.scaleDown(),
	}
	return append(list, widget.Moves(string(p.id), p.outline.Table, nil)...)
}

func (p *Pane) foldKey(key string) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + ".fold-" + key, Keys: []string{key}, Title: "fold", Group: "View",
		Help: "Fold or unfold the section under the cursor.",
		Disabled: func() string {
			if l, ok := p.outline.Selected(); !ok || l.Section == "" {
				return "the cursor is not on a heading"
			}
			return ""
		},
		Do: func() tea.Cmd {
			if p.outline.Fold() {
				p.arrange()
			}
			return nil
		},
	}
}

// none says why there is nothing to act on.
func (p *Pane) none() string {
	switch {
	case p.target.IsZero():
		return "no workload is selected"
	case p.view == nil || p.view.Spec == nil:
		return "no autoscaler is known for it"
	}
	return ""
}

func (p *Pane) open(id, title, help string, footer int, to pane.ID, key string) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: []string{key}, Title: title, Help: help, Group: "Open", Footer: footer, Disabled: p.none,
		Do: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: to, Ref: p.view.Ref}) },
	}
}

func (p *Pane) cannotWrite() string {
	if p.planner == nil {
		return "there is no cluster to write to"
	}
	return p.none()
}

// limits asks for a minimum and a maximum.
func (p *Pane) limits() bind.Binding {
	return bind.Binding{
		ID: string(p.id) + ".limits", Keys: []string{"M"}, Title: "min/max", Group: "Change", Footer: 1, Writes: true,
		Help:     "Change how few and how many replicas the autoscaler may keep; asks for both.",
		Disabled: p.cannotWrite, Do: p.askLimits,
	}
}

func (p *Pane) askLimits() tea.Cmd {
	ref, e := p.view.Ref, p.view.Explanation
	return pane.Send(pane.PromptMsg{
		Title: fmt.Sprintf("Let %s keep how many? (min-max)", ref), Initial: fmt.Sprintf("%d-%d", e.Min, e.Max),
		Check: func(text string) string {
			lowest, highest, err := parseLimits(text)
			switch {
			case err != nil:
				return err.Error()
			case lowest == e.Min && highest == e.Max:
				return "these are its limits already"
			}
			return ""
		},
		Done: func(text string) tea.Cmd {
			lowest, highest, err := parseLimits(text)
			if err != nil {
				return nil // Check has said so
			}
			what := fmt.Sprintf("let %s keep %d to %d", ref, lowest, highest)
			return p.verbs.Plan(p.env, what, func(ctx context.Context) (*action.Plan, error) {
				return p.planner.PlanLimits(ctx, ref, lowest, highest)
			})
		},
	})
}

// parseLimits reads "3-20", "3 20" or "3 to 20".
func parseLimits(text string) (lowest, highest int, err error) {
	fields := strings.FieldsFunc(strings.ReplaceAll(text, "to", " "), func(r rune) bool { return r == '-' || r == ' ' || r == ',' || r == '/' })
	if len(fields) != 2 {
		return 0, 0, fmt.Errorf("%q: want a minimum and a maximum, as in 3-20", text)
	}
	var n [2]int64
	for i, f := range fields {
		if n[i], err = strconv.ParseInt(f, 10, 32); err != nil || n[i] < 0 {
			return 0, 0, fmt.Errorf("%q is not a number of replicas", f)
		}
	}
	if n[1] < max(n[0], 1) {
		return 0, 0, fmt.Errorf("the maximum %d is below the minimum %d, or below 1", n[1], n[0])
	}
	return int(n[0]), int(n[1]), nil
}

// scaleDown keeps the autoscaler from scaling down, or lets it again.
func (p *Pane) scaleDown() bind.Binding {
	b := bind.Binding{
		ID: string(p.id) + ".scale-down", Keys: []string{"F"}, Title: "suspend scale-down", Group: "Change", Footer: 2, Writes: true,
		Help:     "Keep the autoscaler from scaling down (behavior.scaleDown.selectPolicy: Disabled), or let it again.",
		Disabled: p.cannotWrite,
	}
	plan := "keep %s from scaling down"
	suspended := p.suspended()
	if suspended {
		b.Title, plan = "allow scale-down", "let %s scale down again"
	}
	b.Do = func() tea.Cmd {
		ref := p.view.Ref
		return p.verbs.Plan(p.env, fmt.Sprintf(plan, ref), func(ctx context.Context) (*action.Plan, error) {
			if suspended {
				return p.planner.PlanAllowScaleDown(ctx, ref)
			}
			return p.planner.PlanSuspendScaleDown(ctx, ref)
		})
	}
	return b
}

func (p *Pane) suspended() bool {
	if p.view == nil || p.view.Spec == nil {
		return false
	}
	b := p.view.Spec.Spec.Behavior
	return b != nil && b.ScaleDown != nil && b.ScaleDown.SelectPolicy != nil && *b.ScaleDown.SelectPolicy == autoscalingv2.DisabledPolicySelect
}
