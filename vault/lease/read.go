package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"midwatch/foreign"
	"midwatch/vault"
)

// Reader reads leases of one server. It is safe for concurrent use.
type Reader struct {
	client *vault.Client
	// skew is how far the server's clock is ahead of ours.
	skew time.Duration

	mu    sync.Mutex
	roles map[string]*roleResult
}

// roleResult is a role as it was read, once for all leases of it.
type roleResult struct {
	once sync.Once
	role *Role
	err  error
}

// NewReader reads from client. skew is [vault.Health].Skew: with it, all times
// are by this machine's clock, and countdowns are right although a clock is
// not.
func NewReader(client *vault.Client, skew time.Duration) *Reader {
	return &Reader{client: client, skew: skew, roles: map[string]*roleResult{}}
}

// local is a server's time by this machine's clock.
func (r *Reader) local(t *time.Time) time.Time {
	if t == nil || t.IsZero() {
		return time.Time{}
	}
	return t.Add(-r.skew)
}

// details is sys/leases/lookup's data (vault/logical_system.go,
// handleLeaseLookup).
type details struct {
	ID          string      `json:"id"`
	Issued      *time.Time  `json:"issue_time"`
	Expires     *time.Time  `json:"expire_time"`
	LastRenewal *time.Time  `json:"last_renewal"`
	Renewable   bool        `json:"renewable"`
	TTL         json.Number `json:"ttl"`
}

// lookup reads one lease.
func (r *Reader) lookup(ctx context.Context, id ID) (Lease, error) {
	var answer struct {
		Data details `json:"data"`
	}
	err := r.client.Read(ctx, vault.Query{
		Tried: "look up the lease " + id.String(), Path: "sys/leases/lookup", Need: vault.RightLookup,
		Body: map[string]string{"lease_id": string(id)},
	}, &answer)
	l := Lease{ID: id, ReadAt: r.client.Clock().Now()}
	var failed *vault.Error
	switch {
	case errors.As(err, &failed) && failed.Kind == vault.KindLeaseGone:
		l.Gone = true
		return l, nil
	case err != nil:
		return l, err
	}
	d := answer.Data
	l.Issued, l.Expires, l.LastRenewal = r.local(d.Issued), r.local(d.Expires), r.local(d.LastRenewal)
	l.Renewable = d.Renewable
	return l, nil
}

// Lookup reads leases, several at a time. A lease that is gone, or could not
// be read, is among the results and says so; only the context's end is an
// error. Roles are read where the token may, once each.
func (r *Reader) Lookup(ctx context.Context, ids ...ID) ([]Lease, error) {
	out := make([]Lease, len(ids))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(vault.MaxInFlight, len(ids)) {
		workers.Go(func() {
			for i := range next {
				l, err := r.lookup(ctx, ids[i])
				l.Err = err
				out[i] = l
			}
		})
	}
	for i := range ids {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look up %d leases: %w", len(ids), err)
	}
	r.addRoles(ctx, out)
	return out, nil
}

// addRoles fills in the roles of dynamic credentials. That the token may not
// read one is no failure: the maximum is then unknown.
func (r *Reader) addRoles(ctx context.Context, leases []Lease) {
	for i := range leases {
		l := &leases[i]
		if l.Gone || l.Err != nil {
			continue
		}
		mount, name, ok := l.ID.role()
		if !ok {
			continue
		}
		if role, err := r.Role(ctx, mount, name); err == nil {
			l.Role, l.Max = role, role.MaxTTL
		}
	}
}

// Role reads MOUNT/roles/NAME, once.
func (r *Reader) Role(ctx context.Context, mount, name string) (*Role, error) {
	key := mount + "\x00" + name
	r.mu.Lock()
	result, ok := r.roles[key]
	if !ok {
		result = &roleResult{}
		r.roles[key] = result
	}
	r.mu.Unlock()
	result.once.Do(func() { result.role, result.err = r.readRole(ctx, mount, name) })
	if ctx.Err() != nil || errors.Is(result.err, context.Canceled) {
		// What was interrupted is asked for again next time.
		r.mu.Lock()
		delete(r.roles, key)
		r.mu.Unlock()
	}
	return result.role, result.err
}

func (r *Reader) readRole(ctx context.Context, mount, name string) (*Role, error) {
	path := mount + "/roles/" + name
	var answer struct {
		Data struct {
			Database   string          `json:"db_name"`
			DefaultTTL json.Number     `json:"default_ttl"`
			MaxTTL     json.Number     `json:"max_ttl"`
			Creation   json.RawMessage `json:"creation_statements"`
		} `json:"data"`
	}
	err := r.client.Read(ctx, vault.Query{
		Tried: "read the role " + foreign.CleanN(path, 300).String(), Path: path,
		Need: vault.Right{Path: mount + "/roles/*", Caps: []string{"read", "list"}},
	}, &answer)
	if err != nil {
		return nil, err
	}
	d := answer.Data
	return &Role{
		Mount: foreign.CleanN(mount, 200), Name: foreign.CleanN(name, 200), Database: foreign.CleanN(d.Database, 200),
		DefaultTTL: secondsOf(d.DefaultTTL), MaxTTL: secondsOf(d.MaxTTL), Creation: statements(d.Creation),
	}, nil
}

func secondsOf(n json.Number) time.Duration {
	s, err := n.Int64()
	if err != nil {
		return 0
	}
	return time.Duration(s) * time.Second
}

// statements are SQL, as a list or, from older servers, one text.
func statements(raw json.RawMessage) foreign.Text {
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		var one string
		if json.Unmarshal(raw, &one) != nil {
			return ""
		}
		list = []string{one}
	}
	text := ""
	for _, s := range list {
		text += s + "\n"
	}
	return foreign.CleanBlock(text, 4096)
}

// Listing is one level of the tree of leases.
type Listing struct {
	Prefix string
	// Folders end in "/"; both are below Prefix.
	Folders []string
	Leases  []ID
	// Total counts all children, also those beyond [MaxKept].
	Total int
	// At and Took say when it was listed and how long that took the server:
	// a listing is never polled.
	At   time.Time
	Took time.Duration
}

// listWithin bounds one listing.
const listWithin = time.Minute

// List lists one level below prefix ("" is the root). Call it only because
// somebody asked for this very prefix: for the server it is the most expensive
// request there is.
func (r *Reader) List(ctx context.Context, prefix string) (*Listing, error) {
	began := r.client.Clock().Now()
	var k keys
	shown := foreign.CleanN(prefix, 300).String()
	need := vault.RightListLeases
	if prefix == "" {
		need = vault.RightListRoot // the line for what is below does not cover it
	}
	err := r.client.Stream(ctx, vault.Query{
		Tried: fmt.Sprintf("list the leases below %q", shown), Path: "sys/leases/lookup/" + prefix, Params: url.Values{"list": {"true"}},
		Need: need, Within: listWithin,
	}, func(body io.Reader) error { return decodeKeys(body, &k) })
	var failed *vault.Error
	if errors.As(err, &failed) && failed.Kind == vault.KindNotFound {
		err = nil // Vault answers 404 for an empty level
	}
	if err != nil {
		return nil, err
	}
	now := r.client.Clock().Now()
	out := &Listing{Prefix: prefix, Folders: k.folders, Total: k.total, At: now, Took: now.Sub(began), Leases: make([]ID, len(k.leases))}
	for i, key := range k.leases {
		out.Leases[i] = ID(prefix + key)
	}
	return out, nil
}

// Sample looks n of the listing's leases up, chosen at random by seed.
func (r *Reader) Sample(ctx context.Context, l *Listing, n int, seed uint64) ([]Lease, error) {
	return r.Lookup(ctx, pick(l.Leases, n, seed)...)
}

// pick chooses n of ids without replacement (Floyd's algorithm), in the order
// they have.
func pick(ids []ID, n int, seed uint64) []ID {
	if n >= len(ids) {
		return ids
	}
	random := rand.New(rand.NewPCG(seed, 0x6d69647761746368)) //nolint:gosec // a sample, not a secret
	chosen := make(map[int]bool, n)
	for j := len(ids) - n; j < len(ids); j++ {
		if i := random.IntN(j + 1); !chosen[i] {
			chosen[i] = true
			continue
		}
		chosen[j] = true
	}
	out := make([]ID, 0, n)
	for i, id := range ids {
		if chosen[i] {
			out = append(out, id)
		}
	}
	return out
}

// irrevocableLimit is how many are asked for; Vault's own default cap is
// 10,000.
const irrevocableLimit = "1000"

// Irrevocable are the leases that Vault gave up revoking, with the errors that
// stopped it (sys/leases).
func (r *Reader) Irrevocable(ctx context.Context) ([]Lease, error) {
	var answer struct {
		Data struct {
			Leases []struct {
				ID    string `json:"lease_id"`
				Error string `json:"error"`
			} `json:"leases"`
		} `json:"data"`
	}
	err := r.client.Read(ctx, vault.Query{
		Tried: "list the irrevocable leases", Path: "sys/leases", Need: vault.RightIrrevocable,
		Params: url.Values{"type": {"irrevocable"}, "limit": {irrevocableLimit}},
	}, &answer)
	if err != nil {
		return nil, err
	}
	now := r.client.Clock().Now()
	leases := make([]Lease, 0, len(answer.Data.Leases))
	for _, l := range answer.Data.Leases {
		text := l.Error
		if text == "" {
			text = "the server does not say why"
		}
		leases = append(leases, Lease{ID: ID(l.ID), Error: foreign.CleanN(text, 400), ReadAt: now})
	}
	return leases, nil
}

// CountIrrevocable is how many leases Vault gave up revoking; unlike listing
// them it takes no sudo.
func (r *Reader) CountIrrevocable(ctx context.Context) (int, error) {
	var answer struct {
		Data struct {
			Count int `json:"lease_count"`
		} `json:"data"`
	}
	err := r.client.Read(ctx, vault.Query{
		Tried: "count the irrevocable leases", Path: "sys/leases/count", Need: vault.RightCount,
		Params: url.Values{"type": {"irrevocable"}},
	}, &answer)
	return answer.Data.Count, err
}
