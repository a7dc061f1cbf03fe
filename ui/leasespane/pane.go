package leasespane

import (
	"context"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/secrets/ledger"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
	"midwatch/vault"
	"midwatch/vault/desk"
	"midwatch/vault/lease"
)

// readTimeout bounds what a key starts; a listing has a minute in the client.
const readTimeout = 90 * time.Second

// sampleSize is how many leases of one level are looked up.
const sampleSize = 200

// row is one line: a level that can be opened, or a lease.
type row struct {
	folder  string // "database/creds/"
	lease   *lease.Lease
	verdict lease.Verdict
	holder  ledger.Holder
}

func (r row) key() string {
	if r.lease != nil {
		return "l" + string(r.lease.ID)
	}
	return "f" + r.folder
}

// view is what the list shows.
type view struct {
	// prefix is the level; all is set for every lease of the server.
	prefix string
	all    bool
	found  *desk.Found
	at     time.Time
	took   time.Duration
}

// Pane is the list of leases.
type Pane struct {
	id    pane.ID
	env   *pane.Env
	desk  *desk.Desk     // nil without a session
	known *ledger.Ledger // nil without a cluster
	table *widget.Table[row]

	conn   *desk.Connection
	failed *vault.Failure // of the last attempt
	busy   string         // what is being read
	shown  view
	back   []view // the levels above
	rows   []row
	filter widget.Filter
	detail bool
	rights bool
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Starter  = (*Pane)(nil)
)

// New makes the pane; d may be nil, and known where nothing tells who holds a
// lease.
func New(id pane.ID, d *desk.Desk, known *ledger.Ledger) *Pane {
	p := &Pane{id: id, desk: d, known: known}
	p.table = widget.NewTable(row.key, columns()...)
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	switch {
	case p.shown.all:
		return "all leases"
	case p.shown.prefix != "":
		return "leases below " + foreign.CleanN(p.shown.prefix, 80).String()
	}
	return "leases"
}

// Topics is none: leases cannot be watched, and are not polled.
func (p *Pane) Topics() []live.Topic { return nil }

// Start connects. It asks who the token is, which mounts there are, which
// leases are irrevocable, and about the leases that operators of the cluster
// say they hold; it lists nothing.
func (p *Pane) Start(env *pane.Env) tea.Cmd {
	p.env = env
	if !p.desk.Configured() {
		p.failed = vault.Explain(&vault.Error{Kind: vault.KindAbsent})
		return nil
	}
	return p.connect(false)
}

func (p *Pane) connect(again bool) tea.Cmd {
	p.busy = "connecting"
	d, ids := p.desk, p.known.HeldIDs()
	return pane.Run(p.env.Tasks, p.id, "read", "connect to Vault", readTimeout, func(ctx context.Context) (tea.Msg, error) {
		open := d.Open
		if again {
			open = d.Refresh
		}
		conn, err := open(ctx)
		if err != nil {
			return failedMsg{err}, nil
		}
		mounts, err := conn.Client.Mounts(ctx)
		if err != nil {
			return failedMsg{err}, nil
		}
		stuck, err := conn.Leases.Irrevocable(ctx)
		msg := connectedMsg{conn: conn, mounts: mounts, stuck: stuck}
		if err != nil {
			msg.notes = append(msg.notes, err)
		}
		if msg.held, err = conn.Leases.Lookup(ctx, ids...); err != nil {
			return failedMsg{err}, nil
		}
		return msg, nil
	})
}

// The answers to what was read.
type (
	connectedMsg struct {
		conn   *desk.Connection
		mounts []vault.Mount
		stuck  []lease.Lease
		held   []lease.Lease
		notes  []error
	}
	foundMsg struct {
		view view
		push bool
	}
	lookedUpMsg struct{ lease lease.Lease }
	parentsMsg  struct{ found ledger.Parents }
	failedMsg   struct{ err error }
	plannedMsg  struct{ plan *action.Plan }
)

// Update takes the answer to a read, or a key.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case connectedMsg:
		p.connected(msg)
	case foundMsg:
		p.busy, p.failed = "", nil
		if msg.push {
			p.back = append(p.back, p.shown)
			p.table.Reset()
		}
		p.shown = msg.view
		p.known.Saw(msg.view.found.Leases...)
		p.arrange()
	case lookedUpMsg:
		p.busy = ""
		p.known.Saw(msg.lease)
		p.replace(msg.lease)
	case parentsMsg:
		p.busy = ""
		p.arrange()
		return pane.Toast(live.Info, fmt.Sprintf("looked among %d tokens; %d of those that operators log in with are known", msg.found.Tokens, msg.found.Found))
	case pane.WroteMsg:
		return p.wrote(msg)
	case plannedMsg:
		p.busy = ""
		return pane.Send(pane.ConfirmMsg{Plan: msg.plan})
	case failedMsg:
		p.busy, p.failed = "", vault.Explain(msg.err)
	case pane.FailedMsg:
		p.busy, p.failed = "", vault.Explain(msg.Err)
	case pane.RefreshMsg:
		return p.readAgain()
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	}
	return nil
}

func (p *Pane) connected(msg connectedMsg) {
	p.busy, p.failed, p.conn = "", nil, msg.conn
	found := &desk.Found{Leases: msg.stuck, Total: len(msg.stuck), Notes: msg.notes}
	for _, m := range msg.mounts {
		if m.Leases() {
			found.Folders = append(found.Folders, m.Path)
		}
	}
	p.known.Saw(msg.held...)
	found.Merge(msg.held)
	top := view{found: found, at: p.env.Now}
	if len(p.back) > 0 {
		p.back[0] = top
		return
	}
	p.shown = top
	p.arrange()
}

// arrange makes rows of what was found.
func (p *Pane) arrange() {
	p.rows = nil
	if f := p.shown.found; f != nil {
		holders := p.known.Holders(f.Leases)
		for i := range f.Leases {
			l := &f.Leases[i]
			if parent := p.known.Parent(l.ID); parent != nil {
				l.Parent = parent
			}
			p.rows = append(p.rows, row{lease: l, verdict: lease.Assess(l, p.env.Now, p.desk.Warn()), holder: holders[i]})
		}
		for _, folder := range f.Folders {
			p.rows = append(p.rows, row{folder: folder})
		}
	}
	p.narrow()
}

// rejudge judges again: time alone changes verdicts.
func (p *Pane) rejudge(now time.Time) {
	changed := false
	for i := range p.rows {
		r := &p.rows[i]
		if r.lease == nil || r.verdict.Recheck.IsZero() || r.verdict.Recheck.After(now) {
			continue
		}
		r.verdict, changed = lease.Assess(r.lease, now, p.desk.Warn()), true
	}
	if changed {
		p.narrow()
	}
}

func (p *Pane) narrow() {
	rows := p.rows
	if p.filter.Active() {
		rows = nil
		for _, r := range p.rows {
			if p.matches(r) {
				rows = append(rows, r)
			}
		}
	}
	p.table.SetRows(slices.Clone(rows))
}

func (p *Pane) matches(r row) bool {
	if r.lease == nil {
		return p.filter.Match(foreign.Clean(r.folder).String())
	}
	return p.filter.Match(r.lease.ID.String(), string(r.verdict.State), r.lease.Error.String(), r.holder.Text().String())
}

// wrote reads the lease again that was just renewed or revoked.
func (p *Pane) wrote(msg pane.WroteMsg) tea.Cmd {
	if msg.Target.Kind != "Lease" || p.conn == nil || p.shown.found == nil {
		return nil
	}
	for i := range p.shown.found.Leases {
		if id := p.shown.found.Leases[i].ID; id.String() == msg.Target.UID {
			return p.lookUp(id)
		}
	}
	return nil
}

// replace puts a lease that was read again in the place it had.
func (p *Pane) replace(l lease.Lease) {
	f := p.shown.found
	if f == nil {
		return
	}
	for i := range f.Leases {
		if f.Leases[i].ID == l.ID {
			l.Error = f.Leases[i].Error
			f.Leases[i] = l
		}
	}
	lease.SortByEnd(f.Leases)
	p.arrange()
}

// Filter is the expression in force.
func (p *Pane) Filter() string { return p.filter.String() }

// SetFilter narrows the list.
func (p *Pane) SetFilter(expr string) error {
	f, err := widget.ParseFilter(expr)
	if err != nil {
		return err
	}
	p.filter = f
	p.narrow()
	return nil
}

// Until is for how long the countdowns on the screen stay true.
func (p *Pane) Until(now time.Time) (until time.Duration) {
	for _, r := range p.table.Visible() {
		if r.lease == nil {
			continue
		}
		if left := r.verdict.Ends.Sub(now); !r.verdict.Ends.IsZero() && left > 0 {
			_, wait := widget.CountdownFor(left)
			until = widget.Sooner(until, wait)
		}
		if recheck := r.verdict.Recheck.Sub(now); !r.verdict.Recheck.IsZero() && recheck > 0 {
			until = widget.Sooner(until, recheck)
		}
	}
	if p.conn != nil && p.conn.Status.Token != nil {
		if left, ends := p.conn.Status.Token.Left(now); ends && left > 0 {
			_, wait := widget.CountdownFor(left)
			until = widget.Sooner(until, wait)
		}
	}
	return until
}
