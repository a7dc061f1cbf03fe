package app_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/k8s/watch"
	"midwatch/ui/pane"
)

type ctxT = context.Context

const watchSources = watch.TopicSources

// run carries out a command and the batches in it.
func run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	if batch, ok := cmd().(tea.BatchMsg); ok {
		for _, c := range batch {
			run(c)
		}
	}
}

func TestConfirmShowsThePlanAndRunsIt(t *testing.T) {
	r := newRig(t)
	d := r.start(120, 40)
	r.lock.Open()
	d.Press("S").See("Scale Deployment shop/checkout to 5?", "in context demo (cluster 3f2a9c1d)", "spec.replicas  3 -> 5", "+image: b", "2 pods are added.",
		"! argocd-controller owns spec.replicas and will revert this", "undo  u scales back to 3", "same as  kubectl --context demo", "enter/y confirms")
	d.Golden("confirm")
	d.Press("enter").See("5/5 pods ready", "undoes")
	if r.applied != 1 || r.phases() != "intent applied verified" {
		t.Errorf("applied %d, journal %s", r.applied, r.phases())
	}
	d.Press("u").See("Scale Deployment shop/checkout to 5?").Press("y").See("5/5 pods ready")
	if r.applied != 2 || r.inverted != 1 {
		t.Errorf("applied %d, inverted %d", r.applied, r.inverted)
	}
	d.Press("u").See("changed nothing here that can be undone")
}

func TestConfirmIsCancelledByEsc(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	r.lock.Open()
	d.Press("S").Press("x", "n", "q", "S").See("Scale Deployment").Press("esc").NotSee("Scale Deployment")
	if r.applied != 0 {
		t.Error("applied")
	}
}

func TestDangerAsksForMore(t *testing.T) {
	t.Run("name", func(t *testing.T) {
		r := newRig(t)
		r.plan = restart(action.DangerName)
		d := r.start(80, 24)
		r.lock.Open()
		d.Press("S").See("type checkout:").Press("enter").See("type checkout").Type("check").Press("enter")
		if r.applied != 0 {
			t.Fatal("half a name is enough")
		}
		d.Type("out").Press("enter").NotSee("Scale Deployment")
		if r.applied != 1 {
			t.Error("not applied")
		}
	})
	t.Run("reason", func(t *testing.T) {
		r := newRig(t)
		r.plan = restart(action.DangerReason)
		d := r.start(80, 24)
		r.lock.Open()
		d.Press("S").See("type checkout:", "reason:").Type("checkout").Press("enter").Press("enter").See("give a reason")
		d.Type("queue is full").Press("tab", "tab").Press("enter")
		if r.applied != 1 || r.record[0].Reason != "queue is full" {
			t.Errorf("applied %d, journal %+v", r.applied, r.record)
		}
	})
	t.Run("protected contexts raise it", func(t *testing.T) {
		r := newRig(t)
		r.opts.First = r.session(whereProd)
		d := r.start(80, 24)
		r.lock.Open()
		d.Press("S").See("type checkout:").Press("y", "enter")
		if r.applied != 0 {
			t.Error("y is enough in production")
		}
	})
}

func TestPasteNeverConfirms(t *testing.T) {
	for _, danger := range []action.Danger{action.DangerEnter, action.DangerName} {
		r := newRig(t)
		r.plan = restart(danger)
		d := r.start(80, 24)
		r.lock.Open()
		d.Press("S").Paste("checkout\n").See("pasting is off").Paste("y\r\n")
		if danger == action.DangerName {
			d.Press("enter")
		}
		if r.applied != 0 {
			t.Errorf("danger %d: pasted text confirmed", danger)
		}
	}
}

func TestALockedPlanIsShownAndCannotBeConfirmed(t *testing.T) {
	r := newRig(t)
	d := r.start(100, 30).Press("S").See("read-only: context demo is locked", ":unlock 10m", "spec.replicas")
	d.Press("enter", "y").See("Scale Deployment")
	if r.applied != 0 || r.phases() != "" {
		t.Errorf("applied %d, journal %s", r.applied, r.phases())
	}
	d.Press("esc", "esc")
	d.Press(":").Type("unlock 10m").Press("enter").See("Unlock demo?", "allowed for 10m", "3f2a9c1d").Press("enter").See("UNLOCKED 10m")
	d.Press("S").NotSee("is locked").Press("enter").See("5/5 pods ready")
	d.Press(":").Type("lock").Press("enter").See("READ-ONLY")
}

func TestTheLockClosesByItself(t *testing.T) {
	r := newRig(t)
	d := r.start(100, 30).Press(":").Type("unlock 5m").Press("enter", "enter").See("UNLOCKED 5m")
	d.Advance(61 * time.Second).See("UNLOCKED 4m").Press("S")
	d.Advance(4*time.Minute).See("READ-ONLY", "is locked").Press("enter")
	if r.applied != 0 {
		t.Error("applied after the time was up")
	}
}

func TestAProtectedContextIsUnlockedByItsName(t *testing.T) {
	r := newRig(t)
	r.opts.First = r.session(whereProd)
	d := r.start(100, 30).Press(":").Type("unlock").Press("enter").See("Unlock prod-eu?", "type prod-eu:")
	d.Press("enter").See("READ-ONLY").Type("prod-eu").Press("enter").See("UNLOCKED 10m")
}

func TestADialogTheUserDidNotOpenWaitsForQuiet(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	r.lock.Open()
	d.Press("S").Press("esc").Press("j") // the last key was not the one that planned
	d.Send(pane.ConfirmMsg{Plan: r.plan(r)}).Idle().See("Scale Deployment")
	d.Press("y", "enter", "esc").See("Scale Deployment")
	d.Advance(300 * time.Millisecond).Press("y").See("Scale Deployment")
	if r.applied != 0 {
		t.Fatal("typing confirmed a dialog that came up by itself")
	}
	d.Advance(401 * time.Millisecond).Press("y").NotSee("Scale Deployment to")
	if r.applied != 1 {
		t.Error("it never listens")
	}
}

func TestWhatFollowsAPlanFollowsOnceItWasCarriedOut(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	r.lock.Open()
	followed := 0
	ask := func() {
		d.Press("j").Send(pane.ConfirmMsg{Plan: r.plan(r), Then: func() tea.Cmd { followed++; return nil }}).Idle()
		d.Advance(500 * time.Millisecond)
	}
	ask()
	d.Press("esc").Idle()
	if followed != 0 {
		t.Error("it followed although the plan was not confirmed")
	}
	ask()
	d.Press("enter").Idle()
	if followed != 1 || r.applied != 1 {
		t.Errorf("applied %d times, followed %d times", r.applied, followed)
	}
}

func TestTheSelectionIsFrozenWhileADialogIsOpen(t *testing.T) {
	r := newRig(t)
	d := r.start(200, 50)
	r.lock.Open()
	d.Press("S").Send(pane.SelectMsg{Ref: r.panes[0].Selected()})
	p := r.panes[0]
	p.cursor = 2
	d.Send(pane.SelectMsg{Ref: p.Selected()}).Idle().See("rollout checkout").NotSee("rollout frontend")
	d.Press("esc").See("rollout frontend")
}

// TestTheLatestSelectionHoldsInWhateverOrderTheyArrive: the commands of a pane
// run beside one another, and the first may be the last to arrive.
func TestTheLatestSelectionHoldsInWhateverOrderTheyArrive(t *testing.T) {
	r := newRig(t)
	d := r.start(200, 50)
	p := r.panes[0]
	first := pane.SelectMsg{Ref: p.Selected()}
	p.cursor = 2
	latest := pane.SelectMsg{Ref: p.Selected()}
	d.Send(latest).Send(first).Idle().See("rollout frontend").NotSee("rollout checkout")
}

func TestAWriteThatFailsSaysSo(t *testing.T) {
	r := newRig(t)
	r.plan = func(r *rig) *action.Plan {
		p := restart(action.DangerEnter)(r)
		return action.New(*p, action.Steps{Apply: func(context.Context) error { return errors.New("admission webhook denied it") }})
	}
	d := r.start(120, 30)
	r.lock.Open()
	d.Press("S", "enter").See("admission webhook denied it").NotSee("checking and sending")
	if got := r.phases(); got != "intent failed" {
		t.Errorf("journal %s", got)
	}
}

func TestQuitWaitsForAWrite(t *testing.T) {
	r := newRig(t)
	gateway := make(chan struct{})
	r.plan = func(r *rig) *action.Plan {
		p := restart(action.DangerEnter)(r)
		return action.New(*p, action.Steps{Apply: func(context.Context) error { <-gateway; return nil }})
	}
	d := r.start(120, 30)
	r.lock.Open()
	d.Press("S").Tap("enter").Rest(1).See("scale Deployment shop/checkout: checking and sending")
	if d.Tap("q").Rest(1).See("a write is waiting"); d.HasQuit() {
		t.Fatal("quits in the middle of a write")
	}
	if d.Tap("0").Rest(1).See("open another context after"); len(r.opened) > 0 {
		t.Error("the session is exchanged in the middle of a write")
	}
	close(gateway)
	if d.Idle(); !d.HasQuit() {
		t.Error("does not quit afterwards")
	}
}

func TestLongPlansScroll(t *testing.T) {
	r := newRig(t)
	r.plan = func(r *rig) *action.Plan {
		p := *restart(action.DangerEnter)(r)
		for range 60 {
			p.Changes = append(p.Changes, action.Field{Path: "spec.template.env", Before: "a", After: "b"})
		}
		p.Equivalent = "the very last line"
		return action.New(p, action.Steps{Apply: func(context.Context) error { return nil }})
	}
	d := r.start(80, 24).Press("S").NotSee("the very last line").See(" of ")
	for range 12 {
		d.Press("pgdown")
	}
	d.See("the very last line", "read-only")
	if strings.Count(d.Plain(), "\n") != 23 {
		t.Error("the frame has another height")
	}
}
