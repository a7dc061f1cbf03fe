package leasespane

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
	"midwatch/vault/desk"
	"midwatch/vault/lease"
)

// Bindings are the keys of the list.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	list := []bind.Binding{
		{
			ID: id + ".open", Keys: []string{"enter"}, Title: "open", Group: "View", Footer: 1,
			Help:     "List the leases below the selected prefix, one level; or show the selected lease in full.",
			Disabled: p.nothing, Do: p.open,
		},
		{
			ID: id + ".level-up", Keys: []string{"backspace"}, Title: "one level up", Group: "View", Footer: 3,
			Help: "Go back to the level above.",
			Disabled: func() string {
				if len(p.back) == 0 {
					return "this is the top"
				}
				return ""
			},
			Do: p.up,
		},
		{
			ID: id + ".all", Keys: []string{"a"}, Title: "all", Group: "View", Footer: 2,
			Help:     "Find every lease of a server that has fewer than 5,000, sorted by what ends next.",
			Disabled: p.offline, Do: p.findAll,
		},
		{
			ID: id + ".again", Keys: []string{"R"}, Title: "read again", Group: "View", Footer: 4,
			Help: "Read what is shown again. Nothing here is read by itself: listing leases is work for the server.",
			Do:   p.readAgain,
		},
		{
			ID: id + ".rights", Keys: []string{"m"}, Title: "missing rights", Group: "View",
			Help:     "Show which lines of policy the token would need for everything here.",
			Disabled: p.offline,
			Do:       func() tea.Cmd { p.rights = !p.rights; return nil },
		},
	}
	if p.known != nil {
		list = append(list, bind.Binding{
			ID: id + ".parents", Keys: []string{"t"}, Title: "parent tokens", Group: "View",
			Help:     "Find the tokens that operators log in with: a lease ends with the token that made it. Lists the accessors of all tokens.",
			Disabled: p.offline, Do: p.findParents,
		})
	}
	if p.detail || p.rights {
		list = append(list, bind.Binding{
			ID: id + ".close", Keys: []string{"esc"}, Title: "close details", Group: "View", Help: "Close the details.",
			Do: func() tea.Cmd { p.detail, p.rights = false, false; return nil },
		})
	}
	return slices.Concat(list, p.leaseBindings(), widget.Moves(id, p.table, nil))
}

// leaseBindings are for the selected lease.
func (p *Pane) leaseBindings() []bind.Binding {
	id := string(p.id)
	return []bind.Binding{
		{
			ID: id + ".copy", Keys: []string{"i"}, Title: "copy ID", Group: "View",
			Help:     "Copy the lease's ID: it is a name, not a secret.",
			Disabled: p.noLease,
			Do: func() tea.Cmd {
				l, _ := p.selected()
				return pane.Send(pane.CopyMsg{What: "lease ID", Text: l.ID.String()})
			},
		},
		{
			ID: id + ".renew", Keys: []string{"r"}, Title: "renew", Group: "Lease", Footer: 5, Writes: true,
			Help:     "Renew the selected lease by its role's default.",
			Disabled: p.noLease,
			Do: func() tea.Cmd {
				return p.plan("renew", func(ctx context.Context, c *desk.Connection, id lease.ID) (*action.Plan, error) {
					return c.Renew.PlanRenew(ctx, id, 0)
				})
			},
		},
		{
			ID: id + ".revoke", Keys: []string{"D"}, Title: "revoke", Group: "Lease", Footer: 6, Writes: true,
			Help:     "Revoke the selected lease, and only that: what it stands for stops working.",
			Disabled: p.noLease,
			Do: func() tea.Cmd {
				holders := p.holdersOfSelected()
				return p.plan("revoke", func(ctx context.Context, c *desk.Connection, id lease.ID) (*action.Plan, error) {
					return c.Renew.PlanRevoke(ctx, id, holders)
				})
			},
		},
	}
}

func (p *Pane) offline() string {
	switch {
	case p.conn == nil && p.failed != nil:
		return p.failed.Text
	case p.conn == nil:
		return "not connected yet"
	}
	return ""
}

func (p *Pane) nothing() string {
	if p.table.Len() == 0 {
		return "nothing is selected"
	}
	return ""
}

// holdersOfSelected are those who will miss the selected lease.
func (p *Pane) holdersOfSelected() lease.Holders {
	l, ok := p.selected()
	if !ok {
		return lease.Holders{}
	}
	return p.known.Holders([]lease.Lease{*l})[0].Plan()
}

// findParents looks for the tokens that leases of operators die with.
func (p *Pane) findParents() tea.Cmd {
	p.busy = "look for parent tokens"
	known := p.known
	return pane.Run(p.env.Tasks, p.id, "read", p.busy, readTimeout, func(ctx context.Context) (tea.Msg, error) {
		found, err := known.FindParents(ctx)
		if err != nil {
			return failedMsg{err}, nil
		}
		return parentsMsg{found}, nil
	})
}

func (p *Pane) selected() (*lease.Lease, bool) {
	r, ok := p.table.Selected()
	return r.lease, ok && r.lease != nil
}

func (p *Pane) noLease() string {
	if _, ok := p.selected(); !ok {
		return "no lease is selected"
	}
	return ""
}

// open lists the selected level, or shows the selected lease.
func (p *Pane) open() tea.Cmd {
	r, _ := p.table.Selected()
	if r.lease != nil {
		p.detail = !p.detail
		return nil
	}
	return p.list(r.folder, true)
}

func (p *Pane) up() tea.Cmd {
	last := len(p.back) - 1
	from := p.shown.prefix
	p.shown, p.back = p.back[last], p.back[:last]
	p.table.Reset()
	p.arrange()
	p.table.Select("f" + from)
	return nil
}

// list lists one level, because somebody opened it.
func (p *Pane) list(prefix string, push bool) tea.Cmd {
	return p.find("list the leases below "+foreign.CleanN(prefix, 200).String(), push, func(ctx context.Context, c *desk.Connection, seed uint64) (view, error) {
		found, err := c.Below(ctx, prefix, sampleSize, seed)
		return view{prefix: prefix, found: found}, err
	})
}

func (p *Pane) findAll() tea.Cmd {
	return p.find("find every lease", !p.shown.all, func(ctx context.Context, c *desk.Connection, seed uint64) (view, error) {
		found, err := c.All(ctx, sampleSize, seed)
		return view{all: true, found: found}, err
	})
}

func (p *Pane) find(what string, push bool, do func(context.Context, *desk.Connection, uint64) (view, error)) tea.Cmd {
	if p.conn == nil {
		return nil
	}
	p.busy, p.failed = what, nil
	conn, clock := p.conn, p.conn.Client.Clock()
	return pane.Run(p.env.Tasks, p.id, "read", what, readTimeout, func(ctx context.Context) (tea.Msg, error) {
		began := clock.Now()
		v, err := do(ctx, conn, uint64(began.UnixNano())) //nolint:gosec // a sample's seed
		if err != nil {
			return failedMsg{err}, nil
		}
		v.at = clock.Now()
		v.took = v.at.Sub(began)
		return foundMsg{view: v, push: push}, nil
	})
}

// readAgain reads what is shown: a lease that is open, a level, or the top.
func (p *Pane) readAgain() tea.Cmd {
	if p.env == nil || !p.desk.Configured() {
		return nil
	}
	if l, ok := p.selected(); ok && p.detail && p.conn != nil {
		return p.lookUp(l.ID)
	}
	switch {
	case p.conn == nil || p.failed != nil || p.shown.prefix == "" && !p.shown.all:
		return p.connect(true)
	case p.shown.all:
		return p.findAll()
	}
	return p.list(p.shown.prefix, false)
}

func (p *Pane) lookUp(id lease.ID) tea.Cmd {
	conn := p.conn
	p.busy = "look up the lease"
	return pane.Run(p.env.Tasks, p.id, "read", "look up the lease "+id.String(), readTimeout, func(ctx context.Context) (tea.Msg, error) {
		got, err := conn.Leases.Lookup(ctx, id)
		if err != nil {
			return failedMsg{err}, nil
		}
		return lookedUpMsg{got[0]}, nil
	})
}

// planTimeout bounds the reads of one plan.
const planTimeout = 20 * time.Second

func (p *Pane) plan(verb string, make func(context.Context, *desk.Connection, lease.ID) (*action.Plan, error)) tea.Cmd {
	l, ok := p.selected()
	if !ok || p.conn == nil {
		return nil
	}
	conn, id := p.conn, l.ID
	p.busy = "plan to " + verb
	return pane.Run(p.env.Tasks, p.id, "plan", "plan to "+verb+" the lease", planTimeout, func(ctx context.Context) (tea.Msg, error) {
		plan, err := make(ctx, conn, id)
		if err != nil {
			return failedMsg{err}, nil
		}
		return plannedMsg{plan}, nil
	})
}
