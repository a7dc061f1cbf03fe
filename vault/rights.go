package vault

import (
	"fmt"
	"slices"
	"strings"

	"midwatch/foreign"
)

// Right is what a token needs for one of midwatch's requests, as a policy
// writes it.
type Right struct {
	// Path is the policy's path, with "*" at its end where it is a prefix.
	Path string
	// Caps are capabilities: read, list, sudo, update.
	Caps []string
}

// HCL is the line of a policy that grants the right.
func (r Right) HCL() string {
	quoted := make([]string, len(r.Caps))
	for i, c := range r.Caps {
		quoted[i] = fmt.Sprintf("%q", c)
	}
	return fmt.Sprintf(`path "%s" { capabilities = [%s] }`, foreign.CleanN(r.Path, 300), strings.Join(quoted, ", "))
}

// The rights midwatch asks for. The first is in Vault's built-in policy
// "default", and so are looking oneself up, one's capabilities, and renewing.
var (
	RightLookup      = Right{"sys/leases/lookup", []string{"update"}}
	RightListLeases  = Right{"sys/leases/lookup/*", []string{"list", "sudo"}}
	RightListRoot    = Right{"sys/leases/lookup/", []string{"list", "sudo"}}
	RightCount       = Right{"sys/leases/count", []string{"read"}}
	RightIrrevocable = Right{"sys/leases", []string{"read", "sudo"}}
	RightMetrics     = Right{"sys/metrics", []string{"read"}}
	RightRenew       = Right{"sys/leases/renew", []string{"update"}}
	RightRevoke      = Right{"sys/leases/revoke", []string{"update"}}
)

// Probed are the rights asked for when a connection opens, in the order they
// are shown.
func Probed() []Right {
	return []Right{RightLookup, RightListLeases, RightCount, RightIrrevocable, RightMetrics, RightRenew, RightRevoke}
}

// probePath is a path the right covers, for sys/capabilities-self: a policy
// for "x/*" says nothing about "x/".
func (r Right) probePath() string { return strings.TrimSuffix(r.Path, "*") + probeTail(r.Path) }

func probeTail(path string) string {
	if strings.HasSuffix(path, "*") {
		return "midwatch"
	}
	return ""
}

// Capabilities are what the server says a token may do, by path.
type Capabilities map[string][]string

// Has reports whether all of a right is granted; known is false when the
// server was not asked, or did not say.
func (c Capabilities) Has(r Right) (granted, known bool) {
	have, ok := c[r.probePath()]
	if !ok {
		return false, false
	}
	if slices.Contains(have, "root") {
		return true, true
	}
	if slices.Contains(have, "deny") {
		return false, true
	}
	for _, want := range r.Caps {
		if !slices.Contains(have, want) {
			return false, true
		}
	}
	return true, true
}

// Missing are the probed rights that the token does not have.
func (c Capabilities) Missing() []Right {
	var missing []Right
	for _, r := range Probed() {
		if granted, known := c.Has(r); known && !granted {
			missing = append(missing, r)
		}
	}
	return missing
}
