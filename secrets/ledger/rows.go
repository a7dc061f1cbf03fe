package ledger

import (
	"context"
	"time"

	"midwatch/foreign"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/secrets"
	"midwatch/secrets/read"
	"midwatch/vault/lease"
)

// Fill adds to the secrets of a workload the leases behind them: the one that
// an operator says it holds is looked up, those of a path that Vault's agent
// reads are named as far as somebody looked at them. When Vault cannot be
// asked the operator's word stands, and a source says why.
func (g *Ledger) Fill(ctx context.Context, r *read.Report) {
	if g == nil {
		return
	}
	var ids []lease.ID
	for i := range r.Rows {
		if o := r.Rows[i].Origin; o != nil && o.LeaseID != "" {
			ids = append(ids, lease.ID(o.LeaseID))
		}
	}
	known, err := g.Look(ctx, ids...)
	if err != nil {
		r.Sources = append(r.Sources, live.Source{Name: "vault", State: live.Unreachable, Since: r.At, Err: foreign.CleanN(err.Error(), 300)})
	}
	now, warn := g.clock.Now(), g.desk.Warn()
	g.mu.Lock()
	defer g.mu.Unlock()
	var held []*secrets.Held
	if g.board != nil {
		held = g.board.Held()
	}
	for i := range r.Rows {
		again := g.fillRow(&r.Rows[i], known, held, now, warn)
		if !again.IsZero() && (r.Recheck.IsZero() || again.Before(r.Recheck)) {
			r.Recheck = again
		}
	}
	secrets.Sort(r.Rows)
}

// fillRow is called with the mutex held.
func (g *Ledger) fillRow(row *secrets.Row, known map[lease.ID]lease.Lease, held []*secrets.Held, now time.Time, warn time.Duration) time.Time {
	o := row.Origin
	if o == nil {
		if len(row.Uses) > 0 && row.Uses[0].How == secrets.HowInjected {
			for _, l := range g.book.byPath[row.Uses[0].Path] {
				row.Leases = append(row.Leases, leased(l, secrets.LinkPathRole, now, warn))
			}
		}
		return time.Time{}
	}
	if l, ok := known[lease.ID(o.LeaseID)]; ok && o.LeaseID != "" {
		row.Leases = []secrets.Leased{leased(&l, secrets.LinkExact, now, warn)}
	}
	var again time.Time
	for _, h := range held {
		if h.Kind != o.Kind || h.Namespace != o.Namespace || h.Name != o.Name {
			continue
		}
		if h.Lease != "" && len(row.Leases) == 0 {
			row.Leases = []secrets.Leased{{ID: o.Lease, Link: secrets.LinkExact, Ends: h.Ends, Bound: "by what Vault told the operator", State: "not looked up", Severity: live.Unknown}}
		}
		e, at := g.book.heldEnding(h, now, warn)
		if e.Severity == live.Warn || e.Severity == live.Fail {
			row.Ends(e.Severity, e.Message, e.Since)
		}
		again = at
	}
	return again
}

func leased(l *lease.Lease, link secrets.Link, now time.Time, warn time.Duration) secrets.Leased {
	v := lease.Assess(l, now, warn)
	return secrets.Leased{
		ID: l.ID.Text(), Link: link, Ends: v.Ends, LastEnd: l.LastEnd(), Bound: v.Bound, State: string(v.State), Severity: v.Severity,
		Message: foreign.CleanN(v.Message, 300), At: l.ReadAt,
	}
}

var _ watch.Judge = (*Ledger)(nil).Judge
