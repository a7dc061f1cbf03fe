package kv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/vault"
)

// Reader reads one server's KV v2 mounts. It is safe for concurrent use.
type Reader struct {
	client *vault.Client
	skew   time.Duration
}

// NewReader reads from client; skew is [vault.Health].Skew.
func NewReader(client *vault.Client, skew time.Duration) *Reader {
	return &Reader{client: client, skew: skew}
}

// Path names a secret: a mount and what follows it. Both are the server's
// text.
type Path struct {
	Mount string // "secret", without a slash at its end
	Name  string // "shop/api"
}

// Text is the path as it is shown and as `vault kv` takes it.
func (p Path) Text() foreign.Text { return foreign.CleanN(p.Mount+"/"+p.Name, 400) }

// String is Text.
func (p Path) String() string { return p.Text().String() }

// api is the path of one of the engine's own requests about the secret.
func (p Path) api(what string) string { return p.Mount + "/" + what + "/" + p.Name }

func (p Path) need(what string, caps ...string) vault.Right {
	return vault.Right{Path: p.Mount + "/" + what + "/*", Caps: caps}
}

// Entry is one line of a list.
type Entry struct {
	// Name is the server's text; a folder's ends in "/".
	Name   string
	Folder bool
}

// Text is the name, cleaned.
func (e Entry) Text() foreign.Text { return foreign.CleanN(e.Name, 300) }

// List lists one level of a mount; folder is "" or ends in "/". Only names are
// read.
func (r *Reader) List(ctx context.Context, mount, folder string) ([]Entry, error) {
	p := Path{mount, folder}
	var answer struct {
		Data struct {
			Keys []string `json:"keys"`
		} `json:"data"`
	}
	err := r.client.Read(ctx, vault.Query{
		Tried: "list the secrets in " + p.String(), Path: p.api("metadata"), Params: url.Values{"list": {"true"}}, Need: p.need("metadata", "list"),
	}, &answer)
	var failed *vault.Error
	if errors.As(err, &failed) && failed.Kind == vault.KindNotFound {
		return nil, nil // an empty level
	}
	if err != nil {
		return nil, err
	}
	out := make([]Entry, 0, len(answer.Data.Keys))
	for _, k := range answer.Data.Keys {
		out = append(out, Entry{Name: k, Folder: strings.HasSuffix(k, "/")})
	}
	return out, nil
}

// VersionState is what became of a version.
type VersionState string

// The states of a version.
const (
	Current   VersionState = "current"
	Kept      VersionState = "kept"
	Deleted   VersionState = "deleted"   // can be undeleted
	Destroyed VersionState = "destroyed" // gone for good
)

// Actor is who did something to a version; servers before 1.20 or so do not
// say.
type Actor struct {
	// Name is the token's display name: "kubernetes-shop-api".
	Name      foreign.Text `json:"name,omitempty"`
	Operation foreign.Text `json:"operation,omitempty"`
	Entity    foreign.Text `json:"entity,omitempty"`
}

// Version is one version of a secret.
type Version struct {
	N       int
	State   VersionState
	Created time.Time
	By      Actor
	// Deleted is when it was, or will be, deleted; zero if never.
	Deleted   time.Time
	DeletedBy Actor
}

// Meta is a secret's metadata.
type Meta struct {
	Path    Path
	Current int
	Oldest  int
	// Max is how many versions are kept; 0 for the mount's own limit.
	Max int
	// CASRequired makes writes name the version they follow.
	CASRequired bool
	// DeleteAfter is how long a version lives; 0 without a limit.
	DeleteAfter      time.Duration
	Created, Updated time.Time
	UpdatedBy        Actor
	// Custom is free text that anybody with the right can write.
	Custom map[string]foreign.Text
	// Versions are those that are kept, the newest first.
	Versions []Version
	// ReadAt is when all of this was read.
	ReadAt time.Time
}

// Version returns one of the versions.
func (m *Meta) Version(n int) (Version, bool) {
	i := slices.IndexFunc(m.Versions, func(v Version) bool { return v.N == n })
	if i < 0 {
		return Version{}, false
	}
	return m.Versions[i], true
}

// Before is the newest version older than n that can still be read.
func (m *Meta) Before(n int) (Version, bool) {
	for _, v := range m.Versions {
		if v.N < n && (v.State == Kept || v.State == Current) {
			return v, true
		}
	}
	return Version{}, false
}

// CustomKeys are the names of the custom metadata, sorted.
func (m *Meta) CustomKeys() []string { return slices.Sorted(maps.Keys(m.Custom)) }

type actorAnswer struct {
	Actor     string `json:"actor"`
	Operation string `json:"operation"`
	EntityID  string `json:"entity_id"`
}

func (a *actorAnswer) actor() Actor {
	if a == nil {
		return Actor{}
	}
	return Actor{Name: foreign.CleanN(a.Actor, 200), Operation: foreign.CleanN(a.Operation, 60), Entity: foreign.CleanN(a.EntityID, 80)}
}

// versionAnswer and metaAnswer are the engine's (vault-plugin-secrets-kv,
// path_metadata.go).
type versionAnswer struct {
	Created   string       `json:"created_time"`
	Deletion  string       `json:"deletion_time"`
	Destroyed bool         `json:"destroyed"`
	CreatedBy *actorAnswer `json:"created_by"`
	DeletedBy *actorAnswer `json:"deleted_by"`
}

type metaAnswer struct {
	Current     int                        `json:"current_version"`
	Oldest      int                        `json:"oldest_version"`
	Max         int                        `json:"max_versions"`
	CAS         bool                       `json:"cas_required"`
	DeleteAfter string                     `json:"delete_version_after"`
	Created     string                     `json:"created_time"`
	Updated     string                     `json:"updated_time"`
	UpdatedBy   *actorAnswer               `json:"last_updated_by"`
	Custom      map[string]json.RawMessage `json:"custom_metadata"`
	Versions    map[string]versionAnswer   `json:"versions"`
}

// Meta reads a secret's metadata.
func (r *Reader) Meta(ctx context.Context, p Path) (*Meta, error) {
	var answer struct {
		Data metaAnswer `json:"data"`
	}
	err := r.client.Read(ctx, vault.Query{
		Tried: "read the metadata of " + p.String(), Path: p.api("metadata"), Need: p.need("metadata", "read"),
	}, &answer)
	if err != nil {
		return nil, err
	}
	return answer.Data.meta(p, r.skew, r.client.Clock().Now()), nil
}

func (a *metaAnswer) meta(p Path, skew time.Duration, now time.Time) *Meta {
	m := &Meta{
		Path: p, Current: a.Current, Oldest: a.Oldest, Max: a.Max, CASRequired: a.CAS,
		Created: parseTime(a.Created, skew), Updated: parseTime(a.Updated, skew), UpdatedBy: a.UpdatedBy.actor(), ReadAt: now,
	}
	m.DeleteAfter, _ = time.ParseDuration(a.DeleteAfter) // "0s" without a limit
	if len(a.Custom) > 0 {
		m.Custom = make(map[string]foreign.Text, len(a.Custom))
		for k, raw := range a.Custom {
			var s string
			if json.Unmarshal(raw, &s) != nil {
				s = string(raw)
			}
			m.Custom[foreign.CleanN(k, 128).String()] = foreign.CleanN(s, 512)
		}
	}
	for text, v := range a.Versions {
		n, err := strconv.Atoi(text)
		if err != nil {
			continue
		}
		m.Versions = append(m.Versions, v.version(n, a.Current, skew, now))
	}
	slices.SortFunc(m.Versions, func(x, y Version) int { return cmp.Compare(y.N, x.N) })
	return m
}

func (a *versionAnswer) version(n, current int, skew time.Duration, now time.Time) Version {
	v := Version{
		N: n, State: Kept, Created: parseTime(a.Created, skew), Deleted: parseTime(a.Deletion, skew),
		By: a.CreatedBy.actor(), DeletedBy: a.DeletedBy.actor(),
	}
	switch {
	case a.Destroyed:
		v.State = Destroyed
	case !v.Deleted.IsZero() && !v.Deleted.After(now):
		v.State = Deleted // a time in the future is delete_version_after
	case n == current:
		v.State = Current
	}
	return v
}

func parseTime(s string, skew time.Duration) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.IsZero() {
		return time.Time{} // "" for a version that was not deleted
	}
	return t.Add(-skew)
}
