package probespane

import (
	"fmt"
	"strings"
	"time"

	"midwatch/k8s/probe"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// gates lists readiness gates that are shut, and how many there are.
func (p *Pane) gates() {
	o := p.outline
	type gate struct {
		shut  []*probe.Report
		first *probe.Gate
		of    int
	}
	var names []string
	byName := map[string]*gate{}
	for _, r := range p.reports {
		for i := range r.Gates {
			g := byName[r.Gates[i].Type]
			if g == nil {
				g = &gate{}
				byName[r.Gates[i].Type] = g
				names = append(names, r.Gates[i].Type)
			}
			g.of++
			if !r.Gates[i].Passed {
				g.shut = append(g.shut, r)
				if g.first == nil {
					g.first = &r.Gates[i]
				}
			}
		}
	}
	for _, name := range names {
		g := byName[name]
		sev := live.OK
		if len(g.shut) > 0 {
			sev = live.Warn
		}
		o.Heading("gate/"+name, sev == live.OK, widget.Entry[subject]{Draw: func(d widget.Draw) widget.Rich {
			return widget.Rich{
				{Token: theme.Severity(sev), Text: d.Styles.Sign(sev) + " "}, {Token: theme.Title, Text: "gate      "}, {Token: theme.Text, Text: name + "  "},
				{Token: theme.Severity(sev), Text: fmt.Sprintf("open for %d of %d pods", g.of-len(g.shut), g.of)},
			}
		}})
		o.Text("gate/"+name+"/who", subject{}, widget.Say(theme.Muted, "    a readiness gate: something outside the kubelet (a load balancer's controller) has to set this condition before a pod counts as ready"), 4)
		if g.first != nil {
			text := "nobody has set it yet"
			if g.first.Set {
				text = strings.TrimSpace(g.first.Reason + " " + g.first.Message.String())
			}
			o.Text("gate/"+name+"/why", subject{}, widget.Say(theme.Warn, "    "+g.shut[0].Pod.Name+": "+text), 4)
		}
		o.Close()
	}
}

// flaps lists pods that keep losing their readiness.
func (p *Pane) flaps() {
	for _, r := range p.reports {
		if len(r.Flaps.Lost) == 0 {
			continue
		}
		sev := live.Info
		if r.Flaps.Flapping(p.env.Now) {
			sev = live.Warn
		}
		last := r.Flaps.Lost[len(r.Flaps.Lost)-1]
		n := len(r.Flaps.Lost) + r.Flaps.Dropped
		p.outline.Add(widget.Entry[subject]{Key: "flap/" + r.Pod.Key(), Ages: []time.Time{last}, Draw: func(d widget.Draw) widget.Rich {
			return widget.Rich{
				{Token: theme.Severity(sev), Text: "  " + d.Styles.Sign(sev) + " "}, {Token: theme.Text, Text: r.Pod.Name},
				{Token: theme.Muted, Text: fmt.Sprintf(" lost its readiness %s since midwatch watches it, last %s ago", timesWord(n), widget.Since(d.Now, last))},
			}
		}})
	}
}

func timesWord(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// bare names the containers that have no probes at all.
func (p *Pane) bare() {
	if len(p.reports) == 0 {
		return
	}
	var names []string
	for i := range p.reports[0].Containers {
		c := &p.reports[0].Containers[i]
		for j, l := range c.Lints {
			p.outline.Text(fmt.Sprintf("container/%s/%d", c.Name, j), subject{}, widget.Say(theme.Severity(l.Severity), "  "+p.env.Styles.Sign(l.Severity)+" "+c.Name+": "+l.Text.String()), 4)
		}
		if len(c.Probes) == 0 && c.Role != probe.Init {
			names = append(names, c.Name)
		}
	}
	if len(names) > 0 {
		p.outline.Text("bare", subject{}, widget.Say(theme.Muted, "  without probes: "+strings.Join(names, ", ")), 4)
	}
}
