package verbs_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/ui/verbs"
)

// planner notes what it was asked to plan.
type planner struct {
	bench *panetest.Bench
	err   error
}

func (p *planner) plan(what string, ref k8s.Ref) (*action.Plan, error) {
	p.bench.OffUI("planning")
	if p.err != nil {
		return nil, p.err
	}
	return &action.Plan{Title: what + " " + ref.String()}, nil
}

func (p *planner) PlanRestart(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	return p.plan("restart", ref)
}

func (p *planner) PlanUndo(_ context.Context, ref k8s.Ref, _ int64) (*action.Plan, error) {
	return p.plan("undo", ref)
}

func (p *planner) PlanPause(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	return p.plan("pause", ref)
}

func (p *planner) PlanResume(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	return p.plan("resume", ref)
}

func (p *planner) PlanScale(_ context.Context, ref k8s.Ref, _ int) (*action.Plan, error) {
	return p.plan("scale", ref)
}

func (p *planner) PlanDeletePod(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	panic("a bug in planning")
}

// host is a pane that has nothing but verbs.
type host struct {
	pane.Pane
	env   *pane.Env
	verbs *verbs.Verbs
	w     *k8s.Workload
	pod   *k8s.PodRow
	other []tea.Msg
}

func (h *host) ID() pane.ID { return "host" }

func (h *host) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	h.env = env
	cmd, handled := h.verbs.Update(msg)
	if !handled {
		h.other = append(h.other, msg)
	}
	return cmd
}

func (h *host) Bindings() []bind.Binding {
	return append(h.verbs.Workload(h.env, h.w), h.verbs.Pod(h.env, h.pod)...)
}

func open(t *testing.T, w *k8s.Workload) (*panetest.Bench, *host, *planner) {
	p := &planner{}
	h := &host{verbs: verbs.New("host", p), w: w, pod: panetest.CheckoutPods()[0]}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		p.bench = b
		h.env = b.Env
		return h
	})
	return b, h, p
}

func TestKeysPlanAndAskToConfirm(t *testing.T) {
	paused := panetest.Checkout()
	paused.Rollout.Paused = true
	for _, c := range []struct {
		name, key string
		w         *k8s.Workload
		want      string
	}{
		{"restart", "r", panetest.Checkout(), "restart Deployment shop/checkout"},
		{"pause what runs", "P", panetest.Checkout(), "pause Deployment shop/checkout"},
		{"resume what is paused", "P", paused, "resume Deployment shop/checkout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, h, _ := open(t, c.w)
			b.Press(c.key)
			if got := panetest.Last[pane.ConfirmMsg](b).Plan.Title; got != c.want {
				t.Errorf("asks to confirm %q, want %q", got, c.want)
			}
			if h.verbs.Busy() != "" {
				t.Errorf("still busy with %q", h.verbs.Busy())
			}
		})
	}
}

func TestAPlanThatFailsSaysSo(t *testing.T) {
	b, h, p := open(t, panetest.Checkout())
	p.err = errors.New("forbidden: get deployments in shop\nmore")
	b.Press("r")
	want := pane.ToastMsg{Severity: live.Fail, Text: "plan to restart Deployment shop/checkout: forbidden: get deployments in shop"}
	if got := panetest.Last[pane.ToastMsg](b); got != want {
		t.Errorf("says %+v", got)
	}
	if b.Press("D"); !strings.Contains(panetest.Last[pane.ToastMsg](b).Text, "a bug in planning") || h.verbs.Busy() != "" {
		t.Errorf("a planner that panics leaves %+v, busy with %q", b.Sent, h.verbs.Busy())
	}
	b.Send(pane.FailedMsg{What: "something else", Err: errors.New("x")})
	if len(h.other) != 1 {
		t.Error("the verbs took a failure that was not theirs")
	}
}

func TestTheNewestPlanCounts(t *testing.T) {
	b, h, _ := open(t, panetest.Checkout())
	b.Hold = true
	b.Press("r", "P")
	if h.verbs.Busy() != "plan to pause Deployment shop/checkout" {
		t.Errorf("busy with %q", h.verbs.Busy())
	}
	b.Release()
	confirms := 0
	for _, msg := range b.Sent {
		if _, ok := msg.(pane.ConfirmMsg); ok {
			confirms++
		}
	}
	if got := panetest.Last[pane.ConfirmMsg](b).Plan.Title; confirms != 1 || got != "pause Deployment shop/checkout" {
		t.Errorf("%d dialogs, the last asks %q", confirms, got)
	}
}

func TestNothingCanBeDoneWithoutATarget(t *testing.T) {
	b, h, _ := open(t, nil)
	h.pod = nil
	for _, key := range []string{"r", "U", "P", "S", "D"} {
		if b.Press(key); b.Reason == "" {
			t.Errorf("%s gives no reason", key)
		}
	}
	h.verbs, h.w = verbs.New("host", nil), panetest.Checkout()
	if b.Press("r"); b.Reason != "there is no cluster to write to" {
		t.Errorf("without a planner: %q", b.Reason)
	}
	h.verbs = verbs.New("host", &planner{})
	h.w.Verdict.Phase = k8s.PhaseDeleting
	if b.Press("r"); !strings.Contains(b.Reason, "is being deleted") {
		t.Errorf("while it is being deleted: %q", b.Reason)
	}
	if len(b.Sent) > 0 {
		t.Errorf("disabled keys did %+v", b.Sent)
	}
}
