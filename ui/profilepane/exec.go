package profilepane

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/profiles/capture"
	"midwatch/ui/pane"
)

// How long looking into a container and the start of an ephemeral one may
// take; the captures themselves have [captureWithin].
const (
	lookWithin   = time.Minute
	helperWithin = 2 * time.Minute
)

// lookedMsg is what was found in a container: a plan to take the profile, or
// why there is none and with which image there could be one.
type lookedMsg struct {
	target capture.Target
	req    capture.Request
	plan   *action.Plan
	wait   capture.Wait
	err    error
	// helps says that an ephemeral container beside the container of would
	// help; image is the one the settings name.
	helps     bool
	of, image string
	// before is what the new one is compared with; nil when it is shown alone.
	before *capture.Profile
}

// sidesPlannedMsg is the plan of the commands of both sides.
type sidesPlannedMsg struct {
	title string
	req   capture.Request
	plan  *action.Plan
	wait  capture.WaitSides
	err   error
}

// helperMsg is the plan of an ephemeral container, and what waits for it.
type helperMsg struct {
	asked   lookedMsg
	plan    *action.Plan
	running func(context.Context) error
	err     error
}

// helperUpMsg is how its start went.
type helperUpMsg struct {
	asked lookedMsg
	err   error
}

// onCommand takes what comes back of commands in containers.
func (p *Pane) onCommand(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case lookedMsg:
		return p.looked(msg)
	case sidesPlannedMsg:
		return p.sidesPlanned(msg)
	case helperMsg:
		return p.helper(msg)
	case helperUpMsg:
		return p.helperUp(msg)
	}
	return nil
}

// execPlan looks into the container and plans the command that takes the
// profile, to be compared with before if that is not nil.
func (p *Pane) execPlan(target capture.Target, req capture.Request, before *capture.Profile) tea.Cmd {
	what := fmt.Sprintf("%s of %s", req.Kind, target.Pod.Name)
	p.begin(what, req, false)
	p.run.says = "looking for a profiler in the container"
	return pane.Run(p.env.Tasks, p.id, "capture", "look into "+target.Pod.String(), lookWithin, func(ctx context.Context) (tea.Msg, error) {
		msg := lookedMsg{target: target, req: req, before: before}
		py, err := p.src.Look(ctx, target, req)
		if err != nil {
			msg.err = err
			return msg, nil
		}
		msg.plan, msg.wait, msg.err = p.src.PlanExec(target, req, py)
		var why *capture.Error
		if errors.As(msg.err, &why) && why.Helps() && py.Container == py.Of {
			msg.helps, msg.of, msg.image = true, py.Of, p.src.Image(ctx, target)
		}
		return msg, nil
	})
}

// looked goes on with what was found: the plan to confirm, or an ephemeral
// container first.
func (p *Pane) looked(msg lookedMsg) tea.Cmd {
	p.rest()
	switch {
	case msg.err == nil:
		return pane.Send(pane.ConfirmMsg{Plan: msg.plan, Then: func() tea.Cmd { return p.follow(msg) }})
	case msg.helps && msg.image != "":
		return p.planHelper(msg, msg.image)
	}
	p.failed = line(msg.err)
	if !msg.helps {
		return nil
	}
	return pane.Send(pane.PromptMsg{
		Title: "Image with py-spy for an ephemeral container in " + msg.target.Pod.Name + " (esc: none)",
		Check: func(text string) string {
			if text = strings.TrimSpace(text); text == "" || strings.ContainsAny(text, " '\"") {
				return "type an image, such as registry.example.com/tools/py-spy:0.4"
			}
			return ""
		},
		Done: func(text string) tea.Cmd { return p.planHelper(msg, strings.TrimSpace(text)) },
	})
}

// rest ends the progress and goes back to where the capture was asked for.
func (p *Pane) rest() {
	if p.run != nil {
		p.mode = p.run.back
	}
	p.run, p.failed = nil, ""
}

// follow waits for the profile of a command that the gate has begun.
func (p *Pane) follow(msg lookedMsg) tea.Cmd {
	what := fmt.Sprintf("%s of %s", msg.req.Kind, msg.target.Pod.Name)
	if msg.before != nil {
		what = p.growthTitle(msg.before)
	}
	w := p.begin(what, msg.req, msg.before != nil)
	return pane.Run(p.env.Tasks, p.id, "capture", "take the "+what, captureWithin, func(ctx context.Context) (tea.Msg, error) {
		got, err := msg.wait(ctx, w)
		switch {
		case msg.before == nil:
			return takenMsg{got, err}, nil
		case err != nil:
			return sidesMsg{err: err}, nil
		}
		return sidesMsg{sides: &capture.Sides{Base: []*capture.Profile{msg.before}, New: []*capture.Profile{got}}}, nil
	})
}

// planSides plans the commands of both sides of a comparison.
func (p *Pane) planSides(title string, base, other []capture.Target, req capture.Request) tea.Cmd {
	p.begin(title, req, true)
	p.run.says = "looking for profilers in the containers"
	return pane.Run(p.env.Tasks, p.id, "capture", "look into the pods", lookWithin, func(ctx context.Context) (tea.Msg, error) {
		plan, wait, err := p.src.PlanSides(ctx, base, other, req)
		return sidesPlannedMsg{title, req, plan, wait, err}, nil
	})
}

// sidesPlanned asks for the commands, and waits for their profiles.
func (p *Pane) sidesPlanned(msg sidesPlannedMsg) tea.Cmd {
	p.rest()
	if msg.err != nil {
		p.failed = line(msg.err)
		return nil
	}
	return pane.Send(pane.ConfirmMsg{Plan: msg.plan, Then: func() tea.Cmd {
		w := p.begin(msg.title, msg.req, true)
		return pane.Run(p.env.Tasks, p.id, "capture", "take the profiles for "+msg.title, captureWithin, func(ctx context.Context) (tea.Msg, error) {
			s, err := msg.wait(ctx, w)
			return sidesMsg{s, err}, nil
		})
	}})
}

// planHelper plans the ephemeral container.
func (p *Pane) planHelper(msg lookedMsg, image string) tea.Cmd {
	p.failed = ""
	return pane.Run(p.env.Tasks, p.id, "capture", "plan an ephemeral container", lookWithin, func(ctx context.Context) (tea.Msg, error) {
		plan, running, err := p.src.PlanHelper(ctx, msg.target, msg.of, image)
		return helperMsg{msg, plan, running, err}, nil
	})
}

// helper asks for the ephemeral container, and waits for it once it was added.
func (p *Pane) helper(msg helperMsg) tea.Cmd {
	if msg.err != nil {
		p.failed = line(msg.err)
		return nil
	}
	return pane.Send(pane.ConfirmMsg{Plan: msg.plan, Then: func() tea.Cmd {
		p.begin("py-spy for "+msg.asked.target.Pod.Name, msg.asked.req, false)
		p.run.says = "waiting for the ephemeral container to run"
		return pane.Run(p.env.Tasks, p.id, "capture", "wait for the ephemeral container", helperWithin, func(ctx context.Context) (tea.Msg, error) {
			return helperUpMsg{msg.asked, msg.running(ctx)}, nil
		})
	}})
}

// helperUp takes the profile through the ephemeral container.
func (p *Pane) helperUp(msg helperUpMsg) tea.Cmd {
	p.rest()
	if msg.err != nil {
		p.failed = line(msg.err)
		return nil
	}
	return p.execPlan(msg.asked.target, msg.asked.req, msg.asked.before)
}

// askProcess asks which process to look at.
func (p *Pane) askProcess() tea.Cmd {
	return pane.Send(pane.PromptMsg{
		Title: "PID of the Python process in the container (empty: the busiest)",
		Check: func(text string) string {
			if n, err := strconv.Atoi(strings.TrimSpace(text)); strings.TrimSpace(text) != "" && (err != nil || n < 1) {
				return "type the number of a process"
			}
			return ""
		},
		Done: func(text string) tea.Cmd {
			p.pid, _ = strconv.Atoi(strings.TrimSpace(text)) // 0 for none
			return nil
		},
	})
}

// isExec says that a kind runs a command in the container.
func isExec(k capture.Kind) bool {
	s, _ := capture.Of(k)
	return s.Exec
}
