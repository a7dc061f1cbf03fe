package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midwatch/vault"
	"midwatch/vault/lease"
)

// walkable is how many leases a server may have for midwatch to walk all of
// its tree at once; above, somebody has to name a prefix.
const walkable = 5_000

// maxWalked bounds the levels of such a walk.
const maxWalked = 500

// Found is what a search for leases found.
type Found struct {
	Leases []lease.Lease
	// Total counts what was listed; more than Leases when those are a sample.
	Total int
	// Sampled is set when Leases are a random part of what was listed.
	Sampled bool
	// Folders are levels that were not opened.
	Folders []string
	// Notes say what could not be found out, and what to do.
	Notes []error
}

// ErrTooMany says that a prefix has to be named.
type ErrTooMany struct{ Leases int }

// Error says how many there are; -1 when that is not known.
func (e ErrTooMany) Error() string {
	if e.Leases < 0 {
		return "how many leases there are cannot be read, so they are not listed unasked: name a prefix, such as database/creds/app/"
	}
	return fmt.Sprintf("there are %d leases, too many to list unasked: name a prefix, such as database/creds/app/", e.Leases)
}

// All finds every lease of a server that has few of them, and the irrevocable
// ones of any.
func (c *Connection) All(ctx context.Context, sample int, seed uint64) (*Found, error) {
	found := &Found{}
	stuck, err := c.Leases.Irrevocable(ctx)
	if err != nil && !isPartial(err) {
		return nil, err // nothing else would work either
	}
	if err != nil {
		found.Notes = append(found.Notes, err)
	}
	found.Leases, found.Total = stuck, len(stuck)
	// Anew: the number decides whether to walk, and may be hours old by now.
	counts, err := c.Client.Counts(ctx)
	if err != nil || counts.Leases < 0 || counts.Leases > walkable {
		n := -1
		if err == nil {
			n = counts.Leases
		} else {
			found.Notes = append(found.Notes, err)
		}
		found.Notes = append(found.Notes, ErrTooMany{n})
		return found, nil
	}
	from, err := c.engines(ctx)
	if err != nil {
		return nil, err
	}
	rest, err := c.walk(ctx, from, stuck)
	if err != nil && !isPartial(err) {
		return nil, err
	}
	if err != nil {
		found.Notes = append(found.Notes, err)
		return found, nil
	}
	return found, c.add(ctx, found, &lease.Listing{Leases: rest, Total: len(rest)}, sample, seed)
}

// errTooDeep ends a walk that would be too long.
var errTooDeep = fmt.Errorf("the leases lie in more than %d levels: name a prefix", maxWalked)

// isPartial reports a missing right, or a walk that is too long, which leaves the rest to be shown.
func isPartial(err error) bool {
	var failed *vault.Error
	return errors.Is(err, errTooDeep) || errors.As(err, &failed) && failed.Kind == vault.KindForbidden
}

// engines are the mounts that issue leases, logins left out. A walk begins
// there and not at the root: for a list the policy "default", which names the
// path sys/leases/lookup itself, outweighs one for all that is below it.
func (c *Connection) engines(ctx context.Context) ([]string, error) {
	mounts, err := c.Client.Mounts(ctx)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, m := range mounts {
		if m.Leases() && !strings.HasPrefix(m.Path, "auth/") {
			paths = append(paths, m.Path)
		}
	}
	return paths, nil
}

// walk lists level by level below the mounts, and leaves out what is known
// already.
func (c *Connection) walk(ctx context.Context, todo []string, known []lease.Lease) ([]lease.ID, error) {
	seen := map[lease.ID]bool{}
	for _, l := range known {
		seen[l.ID] = true
	}
	var ids []lease.ID
	for n := 0; len(todo) > 0; n++ {
		if n == maxWalked {
			return ids, errTooDeep
		}
		level, err := c.Leases.List(ctx, todo[0])
		if err != nil {
			return ids, err
		}
		todo = todo[1:]
		for _, f := range level.Folders {
			todo = append(todo, level.Prefix+f)
		}
		for _, id := range level.Leases {
			if !seen[id] {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

// Below finds the leases of one level; of many, a sample.
func (c *Connection) Below(ctx context.Context, prefix string, sample int, seed uint64) (*Found, error) {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	level, err := c.Leases.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	found := &Found{}
	for _, f := range level.Folders {
		found.Folders = append(found.Folders, level.Prefix+f)
	}
	return found, c.add(ctx, found, level, sample, seed)
}

// add looks leases up, or a sample of them.
func (c *Connection) add(ctx context.Context, found *Found, level *lease.Listing, sample int, seed uint64) error {
	found.Total += len(level.Leases)
	if level.Total > len(level.Leases)+len(level.Folders) {
		found.Total += level.Total - len(level.Leases) - len(level.Folders) // those beyond what is kept
	}
	read, err := c.Leases.Sample(ctx, level, sample, seed)
	if err != nil {
		return err
	}
	found.Sampled = len(read) < len(level.Leases)
	found.Leases = append(found.Leases, read...)
	lease.SortByEnd(found.Leases)
	return nil
}

// Named looks leases up whose IDs are known: the default policy is enough.
func (c *Connection) Named(ctx context.Context, ids ...lease.ID) (*Found, error) {
	read, err := c.Leases.Lookup(ctx, ids...)
	if err != nil {
		return nil, err
	}
	lease.SortByEnd(read)
	return &Found{Leases: read, Total: len(read)}, nil
}

// Merge adds leases that are known from elsewhere and were not found.
func (f *Found) Merge(leases []lease.Lease) {
	seen := map[lease.ID]bool{}
	for i := range f.Leases {
		seen[f.Leases[i].ID] = true
	}
	for _, l := range leases {
		if !seen[l.ID] {
			f.Leases = append(f.Leases, l)
			f.Total++
		}
	}
	lease.SortByEnd(f.Leases)
}

// LooksLikeID tells a lease's ID from a prefix: its tail is the server's
// random text.
func LooksLikeID(s string) bool {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return false
	}
	tail, _, _ := strings.Cut(s[i+1:], ".")
	const length = 24 // vault/token_store.go, TokenLength
	return len(tail) == length
}
