package profilepane

import (
	"context"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"midwatch/profiles/capture"
	"midwatch/profiles/diff"
	"midwatch/ui/pane"
)

// compared takes captures of two sides.
func (p *Pane) compared(msg sidesMsg) tea.Cmd {
	back, title := choosing, "comparison"
	if p.run != nil {
		back, title = p.run.back, p.run.what
	}
	p.run = nil
	p.mode = back
	if msg.err != nil {
		p.failed = line(msg.err)
		return nil
	}
	return p.compare(&comparison{title: title, base: msg.sides.Base, now: msg.sides.New, notes: msg.sides.Notes})
}

// takeSides captures two groups of pods at the same time.
func (p *Pane) takeSides(title string, base, other []capture.Target, req capture.Request) tea.Cmd {
	if isExec(req.Kind) {
		return p.planSides(title, base, other, req)
	}
	w := p.begin(title, req, true)
	return pane.Run(p.env.Tasks, p.id, "capture", "take the profiles for "+title, captureWithin, func(ctx context.Context) (tea.Msg, error) {
		s, err := p.src.TakeSides(ctx, base, other, req, w)
		return sidesMsg{s, err}, nil
	})
}

// request is what a comparison captures: what is shown, or else chosen.
func (p *Pane) request() (capture.Request, bool) {
	if p.mode == showing && p.shown != nil {
		return p.shown.got.Req, true
	}
	spec, ok := p.kinds.Selected()
	if !ok {
		return capture.Request{}, false
	}
	return p.requestOf(spec), true
}

// offerMsg are the pods there are now, to choose a comparison from.
type offerMsg struct{ subject *capture.Subject }

// pickComparison asks what to compare with. The pods are read anew: in the
// middle of a rollout those of a minute ago are gone.
func (p *Pane) pickComparison() tea.Cmd {
	ref, known := p.ref, p.subject
	return pane.Run(p.env.Tasks, p.id, "subject", "read the pods of "+ref.String(), askWithin, func(ctx context.Context) (tea.Msg, error) {
		s, err := p.src.Subject(ctx, ref)
		if err != nil {
			s = known // taking profiles of them says what is wrong
		}
		return offerMsg{s}, nil
	})
}

// refresh takes the pods there are now, and stays at the one that was chosen
// as long as it is there.
func (p *Pane) refresh(s *capture.Subject) {
	was, _ := p.target()
	p.pod = max(slices.IndexFunc(s.Pods, func(q capture.Pod) bool { return q.Pod.Name == was.Pod.Name }), 0)
	p.subject = s
}

func (p *Pane) offer() tea.Cmd {
	req, ok := p.request()
	target, chosen := p.target()
	if p.mode == showing && p.shown != nil {
		target, chosen = p.shown.got.Target, true
	}
	if !ok || !chosen {
		return nil
	}
	old, now, noCanary := p.subject.Canary()
	sibling, noSibling := p.subject.Sibling(target)
	var earlier []*capture.Profile
	if p.mode == showing {
		earlier = p.src.Earlier(p.shown.got)
	}
	items := []pane.PickItem{
		{Title: "the new revision with the old", Note: canaryNote(req, old, now), Disabled: noCanary},
		{Title: "this pod with a healthy sibling", Note: siblingNote(sibling), Disabled: noSibling},
		{Title: "now with this capture", Note: "takes another one: what grew, what changed", Disabled: onlyShown(p)},
	}
	for _, e := range earlier[:min(len(earlier), 6)] {
		items = append(items, pane.PickItem{
			Title: "this capture with an earlier one",
			Note:  e.Target.Pod.Name + " at " + e.At.In(p.env.Now.Location()).Format("15:04:05"),
		})
	}
	return pane.Send(pane.PickMsg{
		Title: "Compare the " + string(req.Kind) + " profile of …", Items: items,
		Done: func(i int) tea.Cmd {
			switch i {
			case 0:
				return p.takeSides(string(req.Kind)+", new revision against old", old, now, req)
			case 1:
				return p.takeSides(string(req.Kind)+", "+target.Pod.Name+" against a sibling", sibling, []capture.Target{target}, req)
			case 2:
				return p.growth(p.shown.got)
			}
			e := earlier[i-3]
			return p.compare(&comparison{title: string(req.Kind) + ", now against " + e.At.Format("15:04:05"), base: []*capture.Profile{e}, now: []*capture.Profile{p.shown.got}})
		},
	})
}

func onlyShown(p *Pane) string {
	if p.mode != showing || p.shown == nil {
		return "take a first capture before"
	}
	return ""
}

// canaryNote says what the comparison would take, and what it could see at a
// function of 10 % of a busy core.
func canaryNote(req capture.Request, old, now []capture.Target) string {
	n := min(len(old), len(now))
	if n == 0 {
		return ""
	}
	note := fmt.Sprintf("%d and %d pods", len(old), len(now))
	if seconds := req.Lasts().Seconds(); seconds > 0 && req.Kind == capture.CPU {
		samples := diff.CPUSamples(1, seconds, n)
		note += fmt.Sprintf("; sees %.1f points or more", diff.Detectable(0.1, samples, samples))
	}
	return note
}

func siblingNote(sibling []capture.Target) string {
	if len(sibling) == 0 {
		return ""
	}
	return "with " + sibling[0].Pod.Name
}

// growth takes another capture of the same pod and compares it with this one.
func (p *Pane) growth(before *capture.Profile) tea.Cmd {
	req, target := before.Req, before.Target
	if isExec(req.Kind) {
		return p.execPlan(target, req, before)
	}
	title := p.growthTitle(before)
	w := p.begin(title, req, true)
	return pane.Run(p.env.Tasks, p.id, "capture", "take the "+title, captureWithin, func(ctx context.Context) (tea.Msg, error) {
		after, err := p.src.Take(ctx, target, req, w)
		if err != nil {
			return sidesMsg{err: err}, nil
		}
		return sidesMsg{sides: &capture.Sides{Base: []*capture.Profile{before}, New: []*capture.Profile{after}}}, nil
	})
}

func (p *Pane) growthTitle(before *capture.Profile) string {
	return fmt.Sprintf("%s of %s since %s", before.Req.Kind, before.Target.Pod.Name, before.At.In(p.env.Now.Location()).Format("15:04:05"))
}
