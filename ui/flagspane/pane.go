package flagspane

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/flags"
	"midwatch/flags/flagwatch"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Source is what the pane reads from and plans with. Everything that takes a
// context is called off the UI goroutine.
type Source interface {
	// Pin says whom every flag is evaluated for; nil for nobody.
	Pin(who *flags.EvalContext)
	// Refresh lists everything again.
	Refresh()
	// Provider finds one by its name.
	Provider(name string) (flags.Provider, error)
	Plan(ctx context.Context, e flagwatch.Edit) (*flags.Proposal, error)
	PlanAll(ctx context.Context, edits []flagwatch.Edit) (*flagwatch.Batch, error)
	// Uses says which flags a workload uses.
	Uses(ctx context.Context, ref k8s.Ref) *flagwatch.Uses
}

// How long the pane waits for what it asked for.
const (
	readWithin = 20 * time.Second
	planWithin = 30 * time.Second
	// historyOf is how far back a flag's history is read.
	historyOf = 30 * 24 * time.Hour
)

// view is what the pane shows.
type view uint8

const (
	viewList view = iota
	viewDetail
	viewExperiments
	viewExperiment
)

// Pane shows flags.
type Pane struct {
	id          pane.ID
	env         *pane.Env
	source      Source
	experiments Experiments

	target k8s.Ref
	uses   *flagwatch.Uses
	only   bool // only the flags of the workload

	snapshot live.Snapshot
	board    *flagwatch.Board
	// environment that is acted on and asked about, by its key; "" is each
	// provider's production.
	environment string
	columnsFor  string // what the columns were made for
	shown       map[string]row
	table       *widget.Table[*flagwatch.Row]
	filter      widget.Filter
	marks       map[string]bool // by row

	view   view
	opened opened
	text   *widget.TextView

	busy  string // what is being planned
	acted acted
	asked string // the text that was pinned last
	lab   lab
}

// row is what a list row says that does not come from the row itself.
type row struct {
	why   string // why the flag belongs to the workload
	state flags.EnvState
	known bool // there is a state for the chosen environment
	env   flags.Environment
	eval  flags.Evaluation
	has   bool
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
)

// New makes the pane for a workload; the zero ref waits for a selection. With
// a nil source there are no flags; experiments may be nil, too.
func New(id pane.ID, source Source, experiments Experiments, ref k8s.Ref) *Pane {
	p := &Pane{id: id, source: source, experiments: experiments, target: ref, marks: map[string]bool{}, shown: map[string]row{}}
	p.table = widget.NewTable(func(r *flagwatch.Row) string { return r.ID() })
	p.table.Follow(true)
	p.table.Mark = p.mark
	p.text = widget.NewTextView(widget.TextLines(nil))
	p.text.SetWrap(true)
	p.lab.init()
	p.setColumns()
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	switch p.view {
	case viewDetail:
		return "flag " + p.opened.place.Key + " in " + p.opened.place.Environment
	case viewExperiments, viewExperiment:
		if p.target.IsZero() {
			return "experiments"
		}
		return "experiments of " + k8s.ShortKind(p.target.Kind) + "/" + p.target.Name
	}
	return "flags"
}

// Topics is the board of flags.
func (p *Pane) Topics() []live.Topic { return []live.Topic{{Name: flagwatch.Topic}} }

// SetTarget puts the flags of another workload first.
func (p *Pane) SetTarget(env *pane.Env, ref k8s.Ref) tea.Cmd {
	p.env = env
	if ref.Key() == p.target.Key() && p.uses != nil {
		return nil
	}
	p.target, p.uses = ref, nil
	p.lab.reset()
	if p.view == viewExperiments || p.view == viewExperiment {
		p.view = viewList
	}
	p.arrange()
	return p.readUses()
}

// The answers to what the pane asked for.
type (
	usesMsg   struct{ uses *flagwatch.Uses }
	detailMsg struct {
		place  flagwatch.Place
		detail *flags.Detail
		err    error
	}
	auditMsg struct {
		place   flagwatch.Place
		changes []flags.Change
		err     error
	}
	statsMsg struct {
		place flagwatch.Place
		stats *flags.Stats
		err   error
	}
)

// Update takes a batch, or the answer to something that was asked.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		return p.take(msg)
	case usesMsg:
		if msg.uses.Ref.Key() == p.target.Key() {
			p.uses = msg.uses
			p.arrange()
		}
	case detailMsg, auditMsg, statsMsg:
		p.takeDetail(msg)
	case plannedMsg, batchMsg, planFailedMsg:
		return p.takePlan(msg)
	case reportMsg, killMsg:
		return p.takeReport(msg)
	case pane.RefreshMsg:
		return p.refresh()
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	case pane.FailedMsg:
		p.busy = ""
		return msg.Toast()
	}
	return nil
}

func (p *Pane) take(batch live.Batch) tea.Cmd {
	s, ok := batch[p.Topics()[0]]
	if !ok {
		return nil
	}
	p.snapshot = s
	if b, ok := s.Value.(*flagwatch.Board); ok {
		p.board = b
	}
	p.setColumns()
	p.arrange()
	if !p.target.IsZero() && p.uses == nil {
		return tea.Batch(p.readUses(), p.follow())
	}
	return p.follow()
}

func (p *Pane) readUses() tea.Cmd {
	if p.source == nil || p.target.IsZero() || p.env == nil {
		return nil
	}
	ref := p.target
	return pane.Run(p.env.Tasks, p.id, "uses", "find the flags of "+ref.String(), readWithin, func(ctx context.Context) (tea.Msg, error) {
		return usesMsg{p.source.Uses(ctx, ref)}, nil
	})
}

func (p *Pane) refresh() tea.Cmd {
	if p.source != nil { // experiments need no flag provider
		p.source.Refresh()
	}
	switch p.view {
	case viewDetail:
		return p.readDetail()
	case viewExperiments, viewExperiment:
		return p.readReport()
	}
	return nil
}

// chosen is the environment of a provider that is acted on and asked about.
func (p *Pane) chosen(provider string) (flags.Environment, bool) {
	if p.board == nil {
		return flags.Environment{}, false
	}
	pr, ok := p.board.Provider(provider)
	if !ok {
		return flags.Environment{}, false
	}
	if e, ok := pr.Environment(p.environment); ok {
		return e, true
	}
	return pr.Production()
}

// environments are the keys of all environments, production first.
func (p *Pane) environments() []string {
	var out []string
	if p.board == nil {
		return nil
	}
	seen := map[string]bool{}
	for i := range p.board.Providers {
		for _, e := range p.board.Providers[i].Environments {
			if !seen[e.Key] {
				seen[e.Key] = true
				out = append(out, e.Key)
			}
		}
	}
	return out
}

// arrange filters the rows and puts those of the workload first.
func (p *Pane) arrange() {
	clear(p.shown)
	if p.board == nil {
		p.table.SetRows(nil)
		return
	}
	var first, rest []*flagwatch.Row
	for _, r := range p.board.Rows {
		x := p.look(r)
		if p.only && x.why == "" {
			continue
		}
		if p.filter.Active() && !p.matches(r, x) {
			continue
		}
		p.shown[r.ID()] = x
		if x.why != "" {
			first = append(first, r)
		} else {
			rest = append(rest, r)
		}
	}
	p.table.SetRows(append(first, rest...))
	for id := range p.marks { // a flag that is gone cannot be switched
		if _, there := p.shown[id]; !there && !p.filter.Active() && !p.only {
			delete(p.marks, id)
		}
	}
	p.compose()
}

func (p *Pane) look(r *flagwatch.Row) row {
	x := row{why: p.uses.Why(r)}
	var ok bool
	if x.env, ok = p.chosen(r.Provider); !ok {
		return x
	}
	x.state, x.known = r.Flag.In(x.env.Key)
	x.eval, x.has = p.board.Asked.Of(r.Provider, x.env.Key, r.Flag.Key)
	return x
}

func (p *Pane) matches(r *flagwatch.Row, x row) bool {
	texts := []string{r.Flag.Key, r.Provider, r.Flag.Name.String(), string(r.Flag.Kind), r.Flag.Type.String(), r.ChangedBy.String(), r.Flag.Maintainer.String(), x.state.Serves.String()}
	for _, t := range r.Flag.Tags {
		texts = append(texts, t.String())
	}
	if x.known && x.state.On {
		texts = append(texts, "is:on")
	} else if x.known {
		texts = append(texts, "is:off")
	}
	if r.Flag.Stale {
		texts = append(texts, "is:stale")
	}
	if x.has {
		texts = append(texts, "gets:"+x.eval.Value.String(), string(x.eval.Reason))
	}
	return p.filter.Match(texts...)
}

// selected is the flag that keys act on, and where.
func (p *Pane) selected() (*flagwatch.Row, row, bool) {
	if p.view == viewDetail {
		r, ok := p.find(p.opened.row)
		if !ok {
			return nil, row{}, false
		}
		return r, p.look(r), true
	}
	r, ok := p.table.Selected()
	if !ok || p.view != viewList {
		return nil, row{}, false
	}
	return r, p.shown[r.ID()], true
}

func (p *Pane) find(id string) (*flagwatch.Row, bool) {
	if p.board == nil {
		return nil, false
	}
	for _, r := range p.board.Rows {
		if r.ID() == id {
			return r, true
		}
	}
	return nil, false
}

// Filter is the expression in force, of the flags or of the experiments.
func (p *Pane) Filter() string {
	if p.view == viewExperiments {
		return p.lab.filter.String()
	}
	return p.filter.String()
}

// SetFilter narrows the list: keys, providers, names, tags, people, what is served, and
// is:on, is:off, is:stale, gets:VALUE. Experiments are narrowed by name, split,
// verdict and place.
func (p *Pane) SetFilter(expr string) error {
	f, err := widget.ParseFilter(expr)
	if err != nil {
		return err
	}
	if p.view == viewExperiments {
		p.lab.filter = f
		p.lab.arrange()
		return nil
	}
	p.filter = f
	p.arrange()
	return nil
}

// Until is for how long the ages on the screen stay true.
func (p *Pane) Until(now time.Time) time.Duration {
	until := widget.StateUntil(p.snapshot, now)
	if p.board != nil {
		for i := range p.board.Providers {
			until = widget.Sooner(until, p.providerUntil(&p.board.Providers[i], now))
		}
	}
	until = widget.Sooner(until, p.acted.until(now))
	switch p.view {
	case viewList:
		for _, r := range p.table.Visible() {
			until = widget.Sooner(until, widget.SinceUntil(now, r.Changed))
		}
	case viewDetail:
		for _, at := range p.opened.ages {
			until = widget.Sooner(until, widget.SinceUntil(now, at))
		}
	case viewExperiments, viewExperiment:
		until = widget.Sooner(until, p.lab.until(now))
	}
	return until
}

func failure(what string, err error) foreign.Text {
	if err == nil {
		return ""
	}
	return foreign.Clean(pane.FailedMsg{What: what, Err: err}.String())
}
