package kvpane

import (
	"context"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
	"midwatch/vault"
	"midwatch/vault/desk"
	"midwatch/vault/kv"
)

// readTimeout bounds what a key starts.
const readTimeout = 30 * time.Second

// shownFor is how long a value stays on the screen.
const shownFor = 10 * time.Second

// place is one level: the mounts, a folder, or a secret.
type place struct {
	mount  string // without a slash at its end; "" for the list of mounts
	folder string // ends in "/", or is ""
	meta   *kv.Meta
	rows   []row
	at     time.Time
}

// row is one line: a mount, a folder, a secret, or a version of one.
type row struct {
	id      string
	name    foreign.Text
	folder  bool
	note    foreign.Text
	version *kv.Version
}

// comparison is what is known of the keys of a version.
type comparison struct {
	version, before int // before is 0 when there is nothing to compare with
	changes         []kv.KeyChange
	values          bool // values were compared too
}

// revealed is the value on the screen.
type revealed struct {
	value   kv.Value
	key     kv.Key
	version int
	until   time.Time
	rect    pane.Rect // where it was drawn first; zero before
}

// Pane is the pane of versioned secrets.
type Pane struct {
	id    pane.ID
	env   *pane.Env
	desk  *desk.Desk // nil without a session
	table *widget.Table[row]

	conn   *desk.Connection
	failed *vault.Failure
	busy   string
	here   place
	back   []place
	keys   *comparison
	secret *revealed
	filter widget.Filter
}

var (
	_ pane.Pane      = (*Pane)(nil)
	_ pane.Ticker    = (*Pane)(nil)
	_ pane.Filterer  = (*Pane)(nil)
	_ pane.Starter   = (*Pane)(nil)
	_ pane.Closer    = (*Pane)(nil)
	_ pane.Concealer = (*Pane)(nil)
)

// New makes the pane; d may be nil.
func New(id pane.ID, d *desk.Desk) *Pane {
	p := &Pane{id: id, desk: d}
	p.table = widget.NewTable(func(r row) string { return r.id }, columns()...)
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	switch {
	case p.here.meta != nil:
		return "secret " + p.here.meta.Path.String()
	case p.here.mount != "":
		return "secrets in " + foreign.CleanN(p.here.mount+"/"+p.here.folder, 100).String()
	}
	return "Vault secrets"
}

// Topics is none: secrets cannot be watched, and are not polled.
func (p *Pane) Topics() []live.Topic { return nil }

// Close forgets the value on the screen.
func (p *Pane) Close() { p.Conceal() }

// Conceal masks the value on the screen and forgets it.
func (p *Pane) Conceal() bool {
	if p.secret == nil {
		return false
	}
	p.secret.value.Zero()
	p.secret = nil
	return true
}

// Start connects and asks which mounts there are.
func (p *Pane) Start(env *pane.Env) tea.Cmd {
	p.env = env
	if !p.desk.Configured() {
		p.failed = vault.Explain(&vault.Error{Kind: vault.KindAbsent})
		return nil
	}
	return p.mounts(false)
}

// The answers to what was read.
type (
	placeMsg struct {
		conn  *desk.Connection
		place place
		push  bool
	}
	keysMsg struct {
		keys comparison
		pick bool // for choosing one to reveal
	}
	revealMsg struct {
		value   kv.Value
		key     kv.Key
		version int
	}
	failedMsg  struct{ err error }
	plannedMsg struct{ plan *action.Plan }
)

// Update takes the answer to a read, or a key.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case placeMsg:
		p.arrive(msg)
	case keysMsg:
		p.busy, p.failed, p.keys = "", nil, &msg.keys
		if msg.pick {
			return p.pick()
		}
	case revealMsg:
		p.Conceal()
		p.busy, p.failed = "", nil
		p.secret = &revealed{value: msg.value, key: msg.key, version: msg.version, until: env.Now.Add(shownFor)}
	case plannedMsg:
		p.busy = ""
		return pane.Send(pane.ConfirmMsg{Plan: msg.plan})
	case failedMsg:
		p.busy, p.failed = "", vault.Explain(msg.err)
	case pane.FailedMsg:
		p.busy, p.failed = "", vault.Explain(msg.Err)
	case pane.RefreshMsg:
		return p.readAgain()
	case pane.WroteMsg:
		return p.wrote(msg)
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	}
	return nil
}

// wrote reads the versions again of the secret that was just written to.
func (p *Pane) wrote(msg pane.WroteMsg) tea.Cmd {
	m := p.here.meta
	if m == nil || p.conn == nil || p.conn.KVPlan.Target(m.Path) != msg.Target {
		return nil
	}
	return p.openSecret(m.Path, false)
}

func (p *Pane) arrive(msg placeMsg) {
	p.Conceal()
	p.busy, p.failed, p.keys = "", nil, nil
	if msg.conn != nil {
		p.conn = msg.conn
	}
	if msg.push {
		p.back = append(p.back, p.here)
		p.table.Reset()
		p.filter = widget.Filter{}
	}
	p.here = msg.place
	p.narrow()
}

func (p *Pane) narrow() {
	rows := make([]row, 0, len(p.here.rows))
	for _, r := range p.here.rows {
		if p.filter.Match(r.name.String(), r.note.String()) {
			rows = append(rows, r)
		}
	}
	p.table.SetRows(rows)
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

// Until is for how long the frame stays true.
func (p *Pane) Until(now time.Time) (until time.Duration) {
	if p.secret != nil {
		left := p.secret.until.Sub(now)
		if left <= 0 {
			return time.Millisecond // the next frame masks it
		}
		until = left % time.Second
		if until == 0 {
			until = time.Second
		}
	}
	for _, r := range p.table.Visible() {
		if r.version != nil {
			until = widget.Sooner(until, widget.SinceUntil(now, r.version.Created))
		}
	}
	return until
}

// read starts a task in the pane's one slot for reading.
func (p *Pane) read(what string, do func(ctx context.Context) (tea.Msg, error)) tea.Cmd {
	p.busy, p.failed = what, nil
	return pane.Run(p.env.Tasks, p.id, "read", what, readTimeout, func(ctx context.Context) (tea.Msg, error) {
		msg, err := do(ctx)
		if err != nil {
			return failedMsg{err}, nil
		}
		return msg, nil
	})
}

// mounts reads the engines that keep versions; the top of the tree.
func (p *Pane) mounts(again bool) tea.Cmd {
	d := p.desk
	return p.read("connect to Vault", func(ctx context.Context) (tea.Msg, error) {
		open := d.Open
		if again {
			open = d.Refresh
		}
		conn, err := open(ctx)
		if err != nil {
			return nil, err
		}
		all, err := conn.Client.Mounts(ctx)
		if err != nil {
			return nil, err
		}
		top := place{at: conn.Client.Clock().Now()}
		for _, m := range all {
			if m.KV2() {
				top.rows = append(top.rows, row{id: m.Path, name: foreign.CleanN(m.Path, 200), folder: true, note: m.Description})
			}
		}
		return placeMsg{conn: conn, place: top}, nil
	})
}

// list reads one level of names.
func (p *Pane) list(mount, folder string, push bool) tea.Cmd {
	conn := p.conn
	return p.read("list "+foreign.CleanN(mount+"/"+folder, 200).String(), func(ctx context.Context) (tea.Msg, error) {
		entries, err := conn.KV.List(ctx, mount, folder)
		if err != nil {
			return nil, err
		}
		to := place{mount: mount, folder: folder, at: conn.Client.Clock().Now()}
		for _, e := range entries {
			to.rows = append(to.rows, row{id: e.Name, name: e.Text(), folder: e.Folder})
		}
		return placeMsg{place: to, push: push}, nil
	})
}

// open reads a secret's metadata.
func (p *Pane) openSecret(path kv.Path, push bool) tea.Cmd {
	conn := p.conn
	return p.read("read the versions of "+path.String(), func(ctx context.Context) (tea.Msg, error) {
		m, err := conn.KV.Meta(ctx, path)
		if err != nil {
			return nil, err
		}
		to := place{mount: path.Mount, folder: path.Name, meta: m, at: m.ReadAt}
		for i := range m.Versions {
			v := &m.Versions[i]
			to.rows = append(to.rows, row{id: strconv.Itoa(v.N), name: foreign.Text("version " + strconv.Itoa(v.N)), version: v, note: v.By.Name})
		}
		return placeMsg{place: to, push: push}, nil
	})
}
