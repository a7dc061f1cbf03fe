package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/secret"
	"midwatch/vault"
)

const verifyWithin = 15 * time.Second

// Planner plans writes to secrets. It has none that takes a new value: what is
// written is what the server already has.
type Planner struct {
	client *vault.Client
	reader *Reader
}

// NewPlanner plans with what reader reads.
func NewPlanner(client *vault.Client, reader *Reader) *Planner {
	return &Planner{client: client, reader: reader}
}

// Target is a secret as plans and the journal name it.
func (p *Planner) Target(path Path) action.Target {
	return p.client.Target("VaultSecret", foreign.CleanN(path.Mount, 200).String(), foreign.CleanN(path.Name, 300).String(), "")
}

// PlanUndelete plans to bring a deleted version back. The secret's consumers
// see it when it is the current one.
func (p *Planner) PlanUndelete(ctx context.Context, path Path, version int) (*action.Plan, error) {
	m, err := p.reader.Meta(ctx, path)
	if err != nil {
		return nil, err
	}
	v, ok := m.Version(version)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s has no version %d", path, version)
	case v.State == Destroyed:
		return nil, fmt.Errorf("version %d of %s is destroyed: nothing brings it back", version, path)
	case v.State != Deleted:
		return nil, fmt.Errorf("version %d of %s is not deleted", version, path)
	}
	blast := "An older version can be read again; consumers that ask for the newest see no difference."
	danger := action.DangerEnter
	if version == m.Current {
		blast = "It is the newest version: consumers read this value from now on, at their next refresh."
		danger = action.DangerName
	}
	body := map[string]any{"versions": []int{version}}
	return action.New(action.Plan{
		Verb: "undelete", Title: fmt.Sprintf("Undelete version %d of %s?", version, path), Target: p.Target(path),
		Changes: []action.Field{{Path: fmt.Sprintf("version %d", version), Before: "deleted", After: "readable"}},
		Blast:   blast, Danger: danger,
		Undo:         "Delete the version again: u.",
		Equivalent:   fmt.Sprintf("vault kv undelete -mount=%s -versions=%d %s", path.Mount, version, path.Name),
		VerifyWithin: verifyWithin,
	}, action.Steps{
		Check: func(ctx context.Context) error { return p.versionIs(ctx, path, version, Deleted) },
		Apply: func(ctx context.Context) error {
			return p.client.Write(ctx, fmt.Sprintf("undelete version %d of %s", version, path), path.need("undelete", "update"), path.api("undelete"), body, nil)
		},
		Verify: func(ctx context.Context) (string, error) {
			if err := p.versionIs(ctx, path, version, Kept, Current); err != nil {
				return "", fmt.Errorf("%w: %w", action.ErrUnverified, err)
			}
			return fmt.Sprintf("version %d can be read again", version), nil
		},
		Inverse: func(ctx context.Context) (*action.Plan, error) { return p.planDelete(ctx, path, version) },
	}), nil
}

// planDelete is the inverse of undelete: a soft deletion of one version.
func (p *Planner) planDelete(ctx context.Context, path Path, version int) (*action.Plan, error) {
	if err := p.versionIs(ctx, path, version, Kept, Current); err != nil {
		return nil, err
	}
	return action.New(action.Plan{
		Verb: "delete-version", Title: fmt.Sprintf("Delete version %d of %s again?", version, path), Target: p.Target(path),
		Changes: []action.Field{{Path: fmt.Sprintf("version %d", version), Before: "readable", After: "deleted"}},
		Blast:   "The version can no longer be read; undelete brings it back.", Danger: action.DangerName,
		Undo:         "Undelete the version.",
		Equivalent:   fmt.Sprintf("vault kv delete -mount=%s -versions=%d %s", path.Mount, version, path.Name),
		VerifyWithin: verifyWithin,
	}, action.Steps{
		Check: func(ctx context.Context) error { return p.versionIs(ctx, path, version, Kept, Current) },
		Apply: func(ctx context.Context) error {
			return p.client.Write(ctx, fmt.Sprintf("delete version %d of %s", version, path), path.need("delete", "update"), path.api("delete"),
				map[string]any{"versions": []int{version}}, nil)
		},
		Verify: func(ctx context.Context) (string, error) {
			if err := p.versionIs(ctx, path, version, Deleted); err != nil {
				return "", fmt.Errorf("%w: %w", action.ErrUnverified, err)
			}
			return fmt.Sprintf("version %d is deleted again", version), nil
		},
	}), nil
}

// versionIs fails with [action.ErrChanged] unless the version is in one of the
// states.
func (p *Planner) versionIs(ctx context.Context, path Path, version int, want ...VersionState) error {
	m, err := p.reader.Meta(ctx, path)
	if err != nil {
		return err
	}
	v, ok := m.Version(version)
	if !ok {
		return fmt.Errorf("%w: %s has no version %d any more", action.ErrChanged, path, version)
	}
	for _, w := range want {
		if v.State == w {
			return nil
		}
	}
	return fmt.Errorf("%w: version %d is %s", action.ErrChanged, version, v.State)
}

// PlanRollback plans to write an older version again, as the newest. The value
// passes through midwatch's memory and nothing else.
func (p *Planner) PlanRollback(ctx context.Context, path Path, version int) (*action.Plan, error) {
	m, err := p.reader.Meta(ctx, path)
	if err != nil {
		return nil, err
	}
	v, ok := m.Version(version)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s has no version %d", path, version)
	case v.N == m.Current && v.State == Current:
		return nil, fmt.Errorf("version %d is the newest already", version)
	case v.State == Deleted:
		return nil, fmt.Errorf("version %d is deleted: undelete it first", version)
	case v.State == Destroyed:
		return nil, fmt.Errorf("version %d is destroyed: nothing brings it back", version)
	}
	// Names of keys only; a token without that right still may roll back.
	changes, diffErr := p.reader.Diff(ctx, path, m.Current, version)
	var warnings []string
	if diffErr != nil {
		warnings = append(warnings, "What differs is not known: "+foreign.CleanN(diffErr.Error(), 200).String())
	}
	next := m.Current + 1
	return action.New(action.Plan{
		Verb: "rollback", Title: fmt.Sprintf("Roll %s back to version %d?", path, version), Target: p.Target(path),
		Changes: append([]action.Field{{
			Path: "newest version", Before: foreign.Text(fmt.Sprint(m.Current)), After: foreign.Text(fmt.Sprintf("%d, with the values of %d", next, version)),
		}}, fields(changes)...),
		Blast:    "Consumers read the old values from now on, at their next refresh; running pods keep what they hold.",
		Warnings: append(warnings, "Vault's audit log will show that the secret was read and written."), Danger: action.DangerName,
		Undo:       fmt.Sprintf("Roll back to version %d: u.", m.Current),
		Equivalent: fmt.Sprintf("vault kv rollback -mount=%s -version=%d %s", path.Mount, version, path.Name), VerifyWithin: verifyWithin,
	}, action.Steps{
		Check: func(ctx context.Context) error {
			if err := p.newestIs(ctx, path, m.Current); err != nil {
				return err
			}
			return p.versionIs(ctx, path, version, Kept)
		},
		Apply: func(ctx context.Context) error { return p.rollBack(ctx, path, version, m.Current) },
		Verify: func(ctx context.Context) (string, error) {
			if err := p.newestIs(ctx, path, next); err != nil {
				return "", fmt.Errorf("%w: %w", action.ErrUnverified, err)
			}
			return fmt.Sprintf("version %d holds the values of version %d", next, version), nil
		},
		Inverse: func(ctx context.Context) (*action.Plan, error) { return p.PlanRollback(ctx, path, m.Current) },
	}), nil
}

// rollBack reads the old version and writes it with check-and-set, so that
// what somebody wrote in between is not lost.
func (p *Planner) rollBack(ctx context.Context, path Path, version, current int) error {
	return p.reader.values(ctx, path, version, func(data json.RawMessage) error {
		body := map[string]any{"data": data, "options": map[string]int{"cas": current}}
		err := p.client.Write(ctx, fmt.Sprintf("roll %s back to version %d", path, version), path.need("data", "create", "update"), path.api("data"), body, nil)
		secret.Wipe(data)
		var failed *vault.Error
		if errors.As(err, &failed) && failed.Kind == vault.KindConflict {
			return fmt.Errorf("%w: %w", action.ErrChanged, err)
		}
		return err
	})
}

func (p *Planner) newestIs(ctx context.Context, path Path, want int) error {
	m, err := p.reader.Meta(ctx, path)
	if err != nil {
		return err
	}
	if m.Current != want {
		return fmt.Errorf("%w: the newest version is %d, not %d", action.ErrChanged, m.Current, want)
	}
	return nil
}

// fields are the keys that come and go; values are not among them.
func fields(changes []KeyChange) []action.Field {
	const most = 20
	var out []action.Field
	for _, c := range changes {
		if len(out) == most {
			break
		}
		switch c.Change {
		case Added:
			out = append(out, action.Field{Path: "key " + c.Key.String(), Before: "absent", After: "present"})
		case Removed:
			out = append(out, action.Field{Path: "key " + c.Key.String(), Before: "present", After: "absent"})
		}
	}
	return out
}
