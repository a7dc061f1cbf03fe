package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/vault"
)

// verifyWithin is how long the effect of a write is waited for. Revoking in
// the background is tried six times by the server, ten seconds apart at first.
const verifyWithin = 30 * time.Second

// recheckEvery is how often the effect of a write is looked for: a look-up of
// one lease costs the server next to nothing, and nothing watches leases.
const recheckEvery = time.Second

// Planner plans writes to leases.
type Planner struct {
	client *vault.Client
	reader *Reader
}

// NewPlanner plans with what reader reads.
func NewPlanner(client *vault.Client, reader *Reader) *Planner {
	return &Planner{client: client, reader: reader}
}

func (p *Planner) target(id ID) action.Target {
	return p.client.Target("Lease", id.Path().String(), id.Short(), id.String())
}

// PlanRenew plans to renew a lease. increment is what is asked for, counted
// from now; 0 asks for the role's default. The server may grant less.
func (p *Planner) PlanRenew(ctx context.Context, id ID, increment time.Duration) (*action.Plan, error) {
	l, err := p.reader.one(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case id.IsToken():
		return nil, fmt.Errorf("the lease %s is a token's: Vault renews tokens by other means", id)
	case !l.Renewable:
		return nil, fmt.Errorf("the lease %s cannot be renewed: fetch new credentials before it ends", id)
	}
	after := "the server decides"
	if increment > 0 {
		after = "about " + p.client.Clock().Now().Add(increment).Format(time.TimeOnly)
	}
	var warnings []string
	if last := l.LastEnd(); !last.IsZero() {
		after += ", at most " + last.Format(time.DateTime)
		if !l.Expires.Before(last.Add(-maxSlack)) {
			warnings = append(warnings, "Its role's maximum is reached: renewing will not move its end.")
		}
	} else {
		warnings = append(warnings, "Its role's maximum is not known; the server may grant less than is asked for.")
	}
	command := "vault lease renew "
	if increment > 0 {
		command += fmt.Sprintf("-increment=%ds ", int(increment.Seconds()))
	}
	return action.New(action.Plan{
		Verb: "renew", Title: fmt.Sprintf("Renew the lease %s…?", foreign.Text(id.Path().String()+"/"+id.Short())), Target: p.target(id),
		Changes: []action.Field{{Path: "ends", Before: foreign.Text(l.Expires.Format(time.DateTime)), After: foreign.Text(after)}},
		Blast:   "Whoever holds these credentials keeps them for longer; nothing is interrupted.", Warnings: warnings,
		Danger:     action.DangerEnter,
		Undo:       "Cannot be undone; it ends by itself.",
		Equivalent: command + id.String(), VerifyWithin: verifyWithin,
	}, action.Steps{
		Check: func(ctx context.Context) error { return p.unchanged(ctx, l) },
		Apply: func(ctx context.Context) error {
			body := map[string]any{"lease_id": string(id)}
			if increment > 0 {
				body["increment"] = int(increment.Seconds())
			}
			return p.client.Write(ctx, "renew the lease "+id.String(), vault.RightRenew, "sys/leases/renew", body, nil)
		},
		Verify: func(ctx context.Context) (string, error) { return p.renewed(ctx, l) },
	}), nil
}

// renewed says what the new end is.
func (p *Planner) renewed(ctx context.Context, before Lease) (string, error) {
	l, err := p.reader.one(ctx, before.ID)
	if err != nil {
		return "", err
	}
	now := p.client.Clock().Now()
	left := l.Expires.Sub(now).Round(time.Second)
	text := fmt.Sprintf("it ends at %s now, in %s (it was %s)", l.Expires.Format(time.DateTime), left, before.Expires.Format(time.TimeOnly))
	if !l.LastRenewal.After(before.LastRenewal) {
		return "", fmt.Errorf("%w: the server has not recorded a renewal", action.ErrUnverified)
	}
	if !l.Expires.After(before.Expires) {
		text += "; its end did not move: the maximum is reached"
	}
	return text, nil
}

// Holders are those known to hold a lease.
type Holders struct {
	// Who are workloads, such as "Deployment shop/api (3 pods)". None are known
	// when it is empty, which is not the same as nobody.
	Who []foreign.Text
	// Proven is set when there is no other possibility; otherwise Evidence
	// says why they may be the ones.
	Proven   bool
	Evidence string
	// By is the object that renews it, and Renews when it will.
	By     foreign.Text
	Renews time.Time
}

// blast says whom it hits that the lease ends.
func (h *Holders) blast() string {
	switch {
	case len(h.Who) == 0 && h.By == "":
		return "What it stands for stops working at once. Nothing says who uses it: a look-up never tells."
	case len(h.Who) == 0:
		return fmt.Sprintf("What it stands for stops working at once. %s holds it for a Secret that no workload of the scope takes.", h.By)
	case h.Proven:
		return fmt.Sprintf("What it stands for stops working at once for %s.", listed(h.Who))
	}
	return fmt.Sprintf("What it stands for stops working at once. By %s it may be that of %s.", h.Evidence, listed(h.Who))
}

// PlanRevoke plans to revoke one lease, which the holders will miss.
func (p *Planner) PlanRevoke(ctx context.Context, id ID, holders Holders) (*action.Plan, error) {
	l, err := p.reader.one(ctx, id)
	if err != nil {
		return nil, err
	}
	blast := holders.blast()
	danger := action.DangerName
	var warnings []string
	if len(holders.Who) > 0 {
		danger = action.DangerReason
		warnings = append(warnings, "Those pods keep using the old credentials until they fetch new ones.")
	}
	if holders.By != "" && !holders.Renews.IsZero() {
		warnings = append(warnings, fmt.Sprintf("%s notices only when it renews next, at %s.", holders.By, holders.Renews.Format(time.TimeOnly)))
	}
	if id.IsToken() {
		danger = action.DangerReason
		warnings = append(warnings, "This is a token's lease: every lease made with the token is revoked with it.")
	}
	if l.Role != nil {
		blast += fmt.Sprintf(" The database %s drops the user that the role %s created.", l.Role.Database, l.Role.Name)
	}
	return action.New(action.Plan{
		Verb: "revoke", Title: fmt.Sprintf("Revoke the lease %s/%s…?", id.Path(), id.Short()), Target: p.target(id),
		Changes: []action.Field{{Path: "lease", Before: foreign.Text("ends " + l.Expires.Format(time.DateTime)), After: "revoked"}},
		Blast:   blast, Warnings: warnings, Danger: danger,
		Undo:       "Cannot be undone: new credentials have to be fetched.",
		Equivalent: "vault lease revoke " + id.String(), VerifyWithin: verifyWithin,
	}, action.Steps{
		Check: func(ctx context.Context) error { return p.unchanged(ctx, l) },
		Apply: func(ctx context.Context) error {
			// In the background, as the vault command does: the server then
			// tries again by itself where the database is away, and says in
			// the end that it could not.
			return p.client.Write(ctx, "revoke the lease "+id.String(), vault.RightRevoke, "sys/leases/revoke",
				map[string]any{"lease_id": string(id), "sync": false}, nil)
		},
		Verify: func(ctx context.Context) (string, error) { return p.revoked(ctx, id) },
	}), nil
}

// revoked waits until the server knows the lease no more.
func (p *Planner) revoked(ctx context.Context, id ID) (string, error) {
	for {
		l, err := p.reader.lookup(ctx, id)
		if err != nil {
			return "", err
		}
		if l.Gone {
			return "the lease is gone", nil
		}
		if text, ok := p.gaveUp(ctx, id); ok {
			return "", fmt.Errorf("%w: Vault gave up, the lease is irrevocable: %s", action.ErrUnverified, text)
		}
		again, stop := p.client.Clock().After(recheckEvery)
		select {
		case <-again:
		case <-ctx.Done():
			stop()
			return "", fmt.Errorf("%w: Vault still has the lease and keeps trying to revoke it", action.ErrUnverified)
		}
		stop()
	}
}

// gaveUp looks for the lease among the irrevocable ones, where the token may.
func (p *Planner) gaveUp(ctx context.Context, id ID) (foreign.Text, bool) {
	all, err := p.reader.Irrevocable(ctx)
	if err != nil {
		return "", false
	}
	for _, l := range all {
		if l.ID == id {
			return l.Error, true
		}
	}
	return "", false
}

// unchanged fails when the lease is gone, or was renewed or replaced since.
func (p *Planner) unchanged(ctx context.Context, before Lease) error {
	l, err := p.reader.one(ctx, before.ID)
	switch {
	case errors.Is(err, ErrGone):
		return fmt.Errorf("%w: %w", action.ErrChanged, err)
	case err != nil:
		return err
	case !l.Issued.Equal(before.Issued):
		return fmt.Errorf("%w: it is another lease of the same name", action.ErrChanged)
	}
	return nil
}

// ErrGone says that the server does not know a lease (any more).
var ErrGone = errors.New("the lease is gone: it ended or was revoked")

// one reads a lease that has to be there.
func (r *Reader) one(ctx context.Context, id ID) (Lease, error) {
	all, err := r.Lookup(ctx, id)
	if err != nil {
		return Lease{}, err
	}
	switch l := all[0]; {
	case l.Err != nil:
		return l, l.Err
	case l.Gone:
		return l, fmt.Errorf("%s: %w", id, ErrGone)
	default:
		return l, nil
	}
}

func listed(all []foreign.Text) string {
	const most = 5
	text := ""
	for i, t := range all {
		switch {
		case i == most:
			return text + fmt.Sprintf(" and %d more", len(all)-most)
		case i > 0 && i == len(all)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += t.String()
	}
	return text
}
