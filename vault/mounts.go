package vault

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"midwatch/foreign"
)

// Mount is a secrets engine or a login method the token can see.
type Mount struct {
	// Path ends in "/", as the server writes it: "database/",
	// "auth/kubernetes/".
	Path string
	// Type is the engine's: "database", "kv", "kubernetes".
	Type string
	// Version is a KV engine's: "1" or "2".
	Version     string
	Description foreign.Text
}

// Leases reports whether the engine issues leases: KV does not, and neither do
// the engines every server has.
func (m Mount) Leases() bool {
	switch m.Type {
	case "kv", "generic", "system", "identity", "cubbyhole", "transit", "ns_system", "ns_identity", "ns_cubbyhole":
		return false
	}
	return true
}

// KV2 reports a key-value engine that keeps versions.
func (m Mount) KV2() bool { return m.Type == "kv" && m.Version == "2" }

func prefixRank(path string) int {
	if strings.HasPrefix(path, "auth/") {
		return 1
	}
	return 0
}

// Mounts are what the token may see at all: the server leaves the others out
// (sys/internal/ui/mounts, which needs no policy).
func (c *Client) Mounts(ctx context.Context) ([]Mount, error) {
	type entry struct {
		Type        string            `json:"type"`
		Description string            `json:"description"`
		Options     map[string]string `json:"options"`
	}
	var answer struct {
		Data struct {
			Secret map[string]entry `json:"secret"`
			Auth   map[string]entry `json:"auth"`
		} `json:"data"`
	}
	err := c.Read(ctx, Query{
		Tried: "list the mounts", Path: "sys/internal/ui/mounts",
		Need: Right{"sys/internal/ui/mounts", []string{"read"}},
	}, &answer)
	if err != nil {
		return nil, err
	}
	var mounts []Mount
	add := func(prefix string, all map[string]entry) {
		for path, e := range all {
			mounts = append(mounts, Mount{
				Path: prefix + strings.TrimSuffix(path, "/") + "/", Type: foreign.CleanN(e.Type, 60).String(),
				Version: foreign.CleanN(e.Options["version"], 10).String(), Description: foreign.CleanN(e.Description, 200),
			})
		}
	}
	add("", answer.Data.Secret)
	add("auth/", answer.Data.Auth)
	// Engines before methods of login: what a workload uses comes first.
	slices.SortFunc(mounts, func(a, b Mount) int {
		return cmp.Or(cmp.Compare(prefixRank(a.Path), prefixRank(b.Path)), cmp.Compare(a.Path, b.Path))
	})
	return mounts, nil
}
