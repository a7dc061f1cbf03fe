package verbs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Planner makes plans out of intentions; k8s/change has one. It reads the
// cluster and writes nothing.
type Planner interface {
	PlanRestart(ctx context.Context, ref k8s.Ref) (*action.Plan, error)
	// PlanUndo goes back to a revision by number; 0 is the previous one.
	PlanUndo(ctx context.Context, ref k8s.Ref, number int64) (*action.Plan, error)
	PlanPause(ctx context.Context, ref k8s.Ref) (*action.Plan, error)
	PlanResume(ctx context.Context, ref k8s.Ref) (*action.Plan, error)
	PlanScale(ctx context.Context, ref k8s.Ref, replicas int) (*action.Plan, error)
	PlanDeletePod(ctx context.Context, ref k8s.Ref) (*action.Plan, error)
}

// planTimeout bounds the reads of one plan, as the screen sees it. The planner
// has a shorter limit of its own.
const planTimeout = 20 * time.Second

// Verbs are the writes of one pane.
type Verbs struct {
	id      pane.ID
	planner Planner
	busy    string // what is being planned
}

// New makes the verbs of a pane. Without a planner all are disabled, with a
// reason.
func New(id pane.ID, planner Planner) *Verbs { return &Verbs{id: id, planner: planner} }

// plannedMsg is a plan that is ready to be confirmed.
type plannedMsg struct{ plan *action.Plan }

// Update takes the answers to what the verbs started. handled is false for a
// message that is not theirs.
func (v *Verbs) Update(msg tea.Msg) (cmd tea.Cmd, handled bool) {
	switch msg := msg.(type) {
	case plannedMsg:
		v.busy = ""
		return pane.Send(pane.ConfirmMsg{Plan: msg.plan}), true
	case pane.FailedMsg:
		if v.busy != "" && msg.What == v.busy {
			v.busy = ""
			return msg.Toast(), true
		}
	}
	return nil, false
}

// Busy names the plan being made, or is empty.
func (v *Verbs) Busy() string { return v.busy }

// plan has a plan made and confirmed.
func (v *Verbs) plan(env *pane.Env, what string, make func(ctx context.Context) (*action.Plan, error)) tea.Cmd {
	v.busy = "plan to " + what
	return pane.Run(env.Tasks, v.id, "plan", v.busy, planTimeout, func(ctx context.Context) (tea.Msg, error) {
		p, err := make(ctx)
		if err != nil {
			return nil, err
		}
		return plannedMsg{p}, nil
	})
}

// Workload are the bindings for a workload; nil while none is selected.
func (v *Verbs) Workload(env *pane.Env, w *k8s.Workload) []bind.Binding {
	paused := w != nil && w.Rollout.Paused
	pauseTitle := "pause"
	if paused {
		pauseTitle = "resume"
	}
	return []bind.Binding{
		v.binding("restart", "restart", "Replace every pod by a new one, as kubectl rollout restart does.", 4, "r",
			func() string { return v.why(w, cannotRestart) }, func() tea.Cmd { return v.restart(env, w) }),
		v.binding("undo", "undo rollout", "Go back to an earlier revision; asks which.", 5, "U",
			func() string { return v.why(w, cannotUndo) }, func() tea.Cmd { return v.pickRevision(env, w) }),
		v.binding("pause", pauseTitle, "Pause the rollout where it is, or let it go on.", 0, "P",
			func() string { return v.why(w, cannotPause) }, func() tea.Cmd { return v.pause(env, w) }),
		v.binding("scale", "scale", "Change how many pods there are; asks how many.", 0, "S",
			func() string { return v.why(w, cannotScale) }, func() tea.Cmd { return v.askReplicas(env, w) }),
	}
}

// Pod are the bindings for a pod; nil while none is selected.
func (v *Verbs) Pod(env *pane.Env, pod *k8s.PodRow) []bind.Binding {
	reason := func() string {
		switch {
		case v.planner == nil:
			return "there is no cluster to write to"
		case pod == nil:
			return "no pod is selected"
		case pod.Terminating():
			return pod.Name + " is being deleted already"
		}
		return ""
	}
	return []bind.Binding{v.binding("delete", "delete pod", "Delete the selected pod; its owner makes a new one.", 6, "D", reason,
		func() tea.Cmd { return v.DeletePod(env, pod) })}
}

// DeletePod plans to delete a pod.
func (v *Verbs) DeletePod(env *pane.Env, pod *k8s.PodRow) tea.Cmd {
	if v.planner == nil {
		return nil
	}
	ref := pod.Ref()
	return v.plan(env, "delete "+ref.String(), func(ctx context.Context) (*action.Plan, error) { return v.planner.PlanDeletePod(ctx, ref) })
}

func (v *Verbs) binding(id, title, help string, footer int, key string, reason func() string, do func() tea.Cmd) bind.Binding {
	return bind.Binding{
		ID: string(v.id) + "." + id, Keys: []string{key}, Title: title, Help: help, Group: "Change", Footer: footer, Writes: true,
		Disabled: reason, Do: do,
	}
}

// why is the reason that no verb can be used, or else cannot's.
func (v *Verbs) why(w *k8s.Workload, cannot func(*k8s.Workload) string) string {
	switch {
	case v.planner == nil:
		return "there is no cluster to write to"
	case w == nil:
		return "no workload is selected"
	case w.Verdict.Phase == k8s.PhaseDeleting:
		return w.Ref.String() + " is being deleted"
	}
	return cannot(w)
}

// A paused Deployment would take the new template and not roll it out
// (kubectl pkg/polymorphichelpers/objectrestarter.go refuses too).
func cannotRestart(w *k8s.Workload) string {
	if w.Rollout.Paused && w.Kind == k8s.Deployment {
		return w.Ref.String() + " is paused: resume it first (P)"
	}
	return ""
}

func cannotUndo(w *k8s.Workload) string {
	switch {
	case w.Rollout.Paused && w.Kind == k8s.Deployment:
		return w.Ref.String() + " is paused: resume it first (P)"
	case len(w.Rollout.Revisions) < 2:
		return w.Ref.String() + " has no other revision to go back to"
	}
	return ""
}

func cannotPause(w *k8s.Workload) string {
	if w.Kind == k8s.StatefulSet || w.Kind == k8s.DaemonSet {
		return "a " + w.Kind + " cannot be paused"
	}
	return ""
}

func cannotScale(w *k8s.Workload) string {
	if w.Kind == k8s.DaemonSet {
		return "a DaemonSet runs one pod on every node it selects: it has no replicas"
	}
	return ""
}

func (v *Verbs) restart(env *pane.Env, w *k8s.Workload) tea.Cmd {
	return v.plan(env, "restart "+w.Ref.String(), func(ctx context.Context) (*action.Plan, error) { return v.planner.PlanRestart(ctx, w.Ref) })
}

func (v *Verbs) pause(env *pane.Env, w *k8s.Workload) tea.Cmd {
	if w.Rollout.Paused {
		return v.plan(env, "resume "+w.Ref.String(), func(ctx context.Context) (*action.Plan, error) { return v.planner.PlanResume(ctx, w.Ref) })
	}
	return v.plan(env, "pause "+w.Ref.String(), func(ctx context.Context) (*action.Plan, error) { return v.planner.PlanPause(ctx, w.Ref) })
}

// Undo plans to go back to one revision.
func (v *Verbs) Undo(env *pane.Env, w *k8s.Workload, number int64) tea.Cmd {
	what := fmt.Sprintf("undo %s to revision %d", w.Ref, number)
	return v.plan(env, what, func(ctx context.Context) (*action.Plan, error) { return v.planner.PlanUndo(ctx, w.Ref, number) })
}

// pickRevision asks which revision to go back to.
func (v *Verbs) pickRevision(env *pane.Env, w *k8s.Workload) tea.Cmd {
	revisions := w.Rollout.Revisions
	items := make([]pane.PickItem, len(revisions))
	for i := range revisions {
		items[i] = revisionItem(env, &revisions[i])
	}
	return pane.Send(pane.PickMsg{
		Title: "Undo " + w.Ref.String() + " to which revision?",
		Items: items,
		Done:  func(i int) tea.Cmd { return v.Undo(env, w, revisions[i].Number) },
	})
}

func revisionItem(env *pane.Env, r *k8s.Revision) pane.PickItem {
	item := pane.PickItem{Title: fmt.Sprintf("revision %d", r.Number)}
	if !r.Created.IsZero() {
		item.Title += "  made " + widget.Since(env.Now, r.Created) + " ago"
	}
	notes := make([]string, 0, len(r.Images)+1)
	for _, image := range r.Images {
		notes = append(notes, image.Container+"="+image.Image.String())
	}
	if r.Cause != "" {
		notes = append(notes, r.Cause.String())
	}
	item.Note = strings.Join(notes, "  ")
	switch {
	case r.New:
		item.Disabled = "is the present revision"
	case r.Number == 0:
		item.Disabled = "has no number yet"
	}
	return item
}

// askReplicas asks how many pods there should be.
func (v *Verbs) askReplicas(env *pane.Env, w *k8s.Workload) tea.Cmd {
	title := "Scale " + w.Ref.String() + " to how many pods?"
	if w.HPA != nil {
		title += fmt.Sprintf(" (autoscaler %s keeps %d to %d)", w.HPA.Name, w.HPA.Min, w.HPA.Max)
	}
	return pane.Send(pane.PromptMsg{
		Title:   title,
		Initial: strconv.Itoa(w.Rollout.Desired),
		Check: func(text string) string {
			n, err := replicas(text)
			switch {
			case err != nil:
				return err.Error()
			case n == w.Rollout.Desired:
				return fmt.Sprintf("it has %d already", n)
			}
			return ""
		},
		Done: func(text string) tea.Cmd {
			n, err := replicas(text)
			if err != nil {
				return nil // Check has said so
			}
			what := fmt.Sprintf("scale %s to %d", w.Ref, n)
			return v.plan(env, what, func(ctx context.Context) (*action.Plan, error) { return v.planner.PlanScale(ctx, w.Ref, n) })
		},
	})
}

// maxReplicas is int32's, the type of spec.replicas.
const maxReplicas = 1<<31 - 1

func replicas(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 || n > maxReplicas {
		return 0, fmt.Errorf("%q is not a number of pods", text)
	}
	return n, nil
}
