package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"midwatch/action"
	"midwatch/demo"
	"midwatch/report"
	"midwatch/secrets/ledger"
	"midwatch/ui/app"
	"midwatch/vault/desk"
	"midwatch/vault/lease"
)

const leasesLong = `leases says which leases of Vault or OpenBao end next, and which it could not
revoke. The server and the token are those of the vault command (VAULT_ADDR,
VAULT_TOKEN, ~/.vault-token).

An argument is a lease's ID, which takes no more than Vault's default policy, or
a prefix such as database/creds/app/, of which one level is listed. Without one,
every lease of a server that has fewer than 5,000 is listed; listing is work for
the server, so a larger one wants a prefix. Those that the Vault Secrets Operator
of the cluster holds are there without any listing.

Who holds a lease is found in the cluster of the kubeconfig, in the namespaces
of -n or -A: by what the Vault Secrets Operator says, by the paths its agent is
asked for, by the moment. How sure that is stands beside it.

It exits 0 when all is well, 1 when a lease is in trouble or ends soon, and 2
when it could not tell.`

// leasesWithin bounds one run.
const leasesWithin = 2 * time.Minute

type leasesFlags struct {
	output string
	sample int
}

func (a *invocation) leasesCommand() *cobra.Command {
	var f leasesFlags
	cmd := &cobra.Command{
		Use:   "leases [PREFIX|LEASE_ID]...",
		Short: "Vault's leases, sorted by what ends next",
		Long:  leasesLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.output != "table" && f.output != "json":
				return usage(cmd, "-o %q: want table or json", f.output)
			case f.sample < 1 || f.sample > 10_000:
				return usage(cmd, "--sample %d: want 1 to 10000", f.sample)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), leasesWithin)
			defer cancel()
			return a.leases(ctx, args, f)
		},
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "table", "table or json")
	cmd.Flags().IntVar(&f.sample, "sample", 200, "look this many leases up, at random, where there are more")
	return cmd
}

func (a *invocation) leases(ctx context.Context, args []string, f leasesFlags) error {
	d, done, err := a.vaultDesk()
	if err != nil {
		return err
	}
	defer done()
	c, err := d.Open(ctx)
	if err != nil {
		return err
	}
	found, err := findLeases(ctx, c, args, f.sample, uint64(a.clock.Now().UnixNano())) //nolint:gosec // a sample's seed
	if err != nil {
		return err
	}
	holders := a.holders(ctx, c, found, len(args) == 0)
	doc := report.NewLeases(a.clock.Now(), c.Status, found, d.Warn(), holders)
	a.exit = doc.ExitCode()
	if f.output == "json" {
		return doc.JSON(a.out)
	}
	return doc.Table(a.out)
}

// holdersWithin bounds how long the cluster is asked who holds the leases.
const holdersWithin = 20 * time.Second

// holders asks the cluster of the kubeconfig who holds leases. Without a
// cluster, or one that does not answer, they are not known, which is no failure
// here. With all, the leases that operators say they hold are looked up as
// well: that takes no right to list.
func (a *invocation) holders(ctx context.Context, c *desk.Connection, found *desk.Found, all bool) []ledger.Holder {
	if len(found.Leases) == 0 && !all || a.contextName() == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, holdersWithin)
	defer cancel()
	var holders []ledger.Holder
	err := a.withSession(ctx, func(s *app.Session) error {
		if _, _, err := s.Watch.Once(ctx); err != nil {
			return err
		}
		if all {
			held, err := c.Named(ctx, s.Leases.HeldIDs()...)
			if err != nil {
				return err
			}
			found.Merge(held.Leases)
		}
		holders = s.Leases.Holders(found.Leases)
		return nil
	})
	if err != nil {
		found.Notes = append(found.Notes, fmt.Errorf("who holds the leases is not known: %w", err))
	}
	return holders
}

// findLeases does what the arguments ask for.
func findLeases(ctx context.Context, c *desk.Connection, args []string, sample int, seed uint64) (*desk.Found, error) {
	if len(args) == 0 {
		return c.All(ctx, sample, seed)
	}
	all := &desk.Found{}
	for _, arg := range args {
		var found *desk.Found
		var err error
		if desk.LooksLikeID(arg) {
			found, err = c.Named(ctx, lease.ID(arg))
		} else {
			found, err = c.Below(ctx, arg, sample, seed)
		}
		if err != nil {
			return nil, err
		}
		all.Leases, all.Folders = append(all.Leases, found.Leases...), append(all.Folders, found.Folders...)
		all.Total, all.Sampled = all.Total+found.Total, all.Sampled || found.Sampled
	}
	lease.SortByEnd(all.Leases)
	return all, nil
}

// vaultDesk is a way to Vault without a cluster.
func (a *invocation) vaultDesk() (d *desk.Desk, done func(), err error) {
	settings, err := a.settings()
	if err != nil {
		return nil, nil, err
	}
	name := a.contextName()
	var shop *demo.World
	closeShop := func() {}
	if a.demo {
		if shop, err = a.openDemo(); err != nil {
			return nil, nil, err
		}
		closeShop = shop.Close
	}
	src := a.vaultSource(settings, shop)
	d = src.Desk(name, action.NewLock(a.clock, name, ""), a.clock, "midwatch/"+version)
	return d, func() { d.Close(); closeShop() }, nil
}

// contextName is the kubeconfig context that --context or the kubeconfig
// names; "" when there is none, which is no failure here.
func (a *invocation) contextName() string {
	if c := a.flags.Context; c != nil && *c != "" {
		return *c
	}
	if a.demo {
		return demo.Context
	}
	raw, err := a.flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return ""
	}
	return raw.CurrentContext
}
