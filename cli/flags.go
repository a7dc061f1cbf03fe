package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"midwatch/action"
	"midwatch/cli/session"
	"midwatch/config"
	"midwatch/flags"
	"midwatch/flags/toggle"
	"midwatch/foreign"
)

// The schemas of `midwatch flags … -o json`; see docs/schema.
const (
	flagsSchema       = "midwatch.flags/v1"
	flagSchema        = "midwatch.flag/v1"
	flagHistorySchema = "midwatch.flagHistory/v1"
	flagChangeSchema  = "midwatch.flagChange/v1"
	flagAssignSchema  = "midwatch.flagAssign/v1"
)

// How long one command may take; a change is verified after it was sent.
const (
	flagsWithin      = 30 * time.Second
	flagChangeWithin = 3 * time.Minute
)

const flagsLong = `flags reads and switches the feature flags of the providers that the settings
name (flags:), without a cluster. The first provider and its environment are
meant unless --provider and --environment say otherwise.`

// flagOptions are what all `midwatch flags` commands share.
type flagOptions struct {
	provider, environment, output string
}

func (a *invocation) flagsCommand() *cobra.Command {
	o := &flagOptions{}
	cmd := &cobra.Command{
		Use: "flags", Short: "Feature flags: list, ask, switch, and who changed what", Long: flagsLong, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, "want list, get, eval, on, off, history or assign")
		},
	}
	f := cmd.PersistentFlags()
	f.StringVar(&o.provider, "provider", "", "provider by its name in the settings (default the first)")
	f.StringVar(&o.environment, "environment", "", "environment by its key (default the provider's)")
	f.StringVarP(&o.output, "output", "o", "table", "table or json")
	cmd.AddCommand(a.flagsListCommand(o), a.flagsGetCommand(o), a.flagsEvalCommand(o), a.flagsHistoryCommand(o),
		a.flagsSwitchCommand(o, flags.TurnOn), a.flagsSwitchCommand(o, flags.TurnOff), a.flagsAssignCommand(o))
	return cmd
}

// flagSource is one provider opened for one command.
type flagSource struct {
	flags.Provider
	lock        *action.Lock
	environment string
	close       func()
}

// flagContext is what the lock and the journal of a command without a cluster
// call the context.
const flagContext = "flags"

// openFlags opens the provider that the options name.
func (a *invocation) openFlags(ctx context.Context, cmd *cobra.Command, o *flagOptions) (*flagSource, error) {
	if o.output != "table" && o.output != "json" {
		return nil, usage(cmd, "-o %q: want table or json", o.output)
	}
	settings, err := a.settings()
	if err != nil {
		return nil, err
	}
	lock := action.NewLock(a.clock, flagContext, "")
	if a.write {
		lock.Open()
	}
	s := &flagSource{lock: lock, close: func() {}}
	if err := a.findProvider(ctx, s, settings, o.provider); err != nil {
		return nil, err
	}
	s.environment = o.environment
	if s.environment == "" {
		s.environment = s.Info().Environment
	}
	return s, nil
}

func (a *invocation) findProvider(ctx context.Context, s *flagSource, settings config.Config, name string) error {
	if a.demo {
		return a.demoProvider(ctx, s, name)
	}
	if len(settings.Flags) == 0 {
		return errors.New("no flag provider is named in the settings: add one under flags: (docs/FLAGS.md), or try --demo")
	}
	var names []string
	for i := range settings.Flags {
		p := &settings.Flags[i]
		names = append(names, p.Name)
		if name != "" && p.Name != name {
			continue
		}
		opened, err := session.OpenFlagProvider(ctx, p, a.env, s.lock, a.clock)
		if err != nil {
			return err
		}
		s.Provider = opened
		s.close = func() { _ = opened.Close() } // the command is over
		return nil
	}
	return fmt.Errorf("no flag provider is called %q: the settings name %s", foreign.CleanN(name, 80), strings.Join(names, ", "))
}

func (a *invocation) demoProvider(ctx context.Context, s *flagSource, name string) error {
	_, done, err := a.source()
	if err != nil {
		return err
	}
	list, err := a.shop.Flags(ctx, "demo", &toggle.Planner{Lock: s.lock, Clock: a.clock})
	if err != nil {
		done()
		return err
	}
	s.close = func() {
		for _, p := range list {
			_ = p.Close() // the command is over
		}
		done()
	}
	for _, p := range list {
		if name == "" || p.Info().Name == name {
			s.Provider = p
			return nil
		}
	}
	s.close()
	return fmt.Errorf("no flag provider of the demo is called %q", foreign.CleanN(name, 80))
}

// withFlags runs one command on the provider that the options name.
func (a *invocation) withFlags(cmd *cobra.Command, o *flagOptions, within time.Duration, run func(ctx context.Context, s *flagSource) error) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), within)
	defer cancel()
	s, err := a.openFlags(ctx, cmd, o)
	if err != nil {
		return err
	}
	defer s.close()
	return run(ctx, s)
}

// writeJSON writes one document.
func (a *invocation) writeJSON(doc any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// oneFlag wants exactly one argument, a flag's key.
func oneFlag(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usage(cmd, "want the key of one flag, not %q", strings.Join(args, " "))
	}
	return nil
}

func (a *invocation) flagsListCommand(o *flagOptions) *cobra.Command {
	var query flags.Query
	cmd := &cobra.Command{
		Use: "list", Short: "The flags of an environment, what changed last first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withFlags(cmd, o, flagsWithin, func(ctx context.Context, s *flagSource) error {
				list, err := s.List(ctx, s.environment, query)
				if err != nil {
					return err
				}
				return a.printFlags(s, list, o.output)
			})
		},
	}
	cmd.Flags().StringVar(&query.Text, "match", "", "part of a key or name")
	cmd.Flags().IntVar(&query.Limit, "limit", 0, "how many at most (0 for all)")
	cmd.Flags().BoolVar(&query.Archived, "archived", false, "archived ones, too")
	return cmd
}

// flagItem is one flag of `flags list -o json`.
type flagItem struct {
	Key        string         `json:"key"`
	Name       foreign.Text   `json:"name,omitempty"`
	On         bool           `json:"on"`
	Kind       flags.Kind     `json:"kind"`
	Variations []foreign.Text `json:"variations"`
	Serves     foreign.Text   `json:"serves,omitempty"`
	Tags       []foreign.Text `json:"tags,omitempty"`
	ChangedAt  time.Time      `json:"changedAt,omitzero"`
	ChangedBy  foreign.Text   `json:"changedBy,omitempty"`
	Stale      bool           `json:"stale"`
	StaleWhy   foreign.Text   `json:"staleWhy,omitempty"`
}

func itemOf(f *flags.Flag, environment string) flagItem {
	state, ok := f.In(environment)
	if !ok && len(f.States) > 0 {
		state = f.States[0]
	}
	item := flagItem{
		Key: f.Key, Name: f.Name, On: state.On, Kind: f.Kind, Variations: []foreign.Text{}, Serves: state.Serves, Tags: f.Tags,
		ChangedAt: state.Changed, ChangedBy: state.ChangedBy, Stale: f.Stale, StaleWhy: f.StaleWhy,
	}
	for _, v := range f.Variations {
		item.Variations = append(item.Variations, v.Label())
	}
	return item
}

func (a *invocation) printFlags(s *flagSource, list []flags.Flag, output string) error {
	items := make([]flagItem, len(list))
	for i := range list {
		items[i] = itemOf(&list[i], s.environment)
	}
	if output == "json" {
		return a.writeJSON(struct {
			Schema      string     `json:"schema"`
			Provider    string     `json:"provider"`
			Environment string     `json:"environment"`
			Flags       []flagItem `json:"flags"`
		}{flagsSchema, s.Info().Name, s.environment, items})
	}
	if len(items) == 0 {
		_, err := fmt.Fprintf(a.out, "no flags in %s of %s\n", s.environment, s.Info().Name)
		return err
	}
	tw := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "FLAG\tON\tKIND\tSERVES\tCHANGED\tBY\tSTALE")
	for _, i := range items {
		stale := ""
		if i.Stale {
			stale = "stale"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.Key, onOff(i.On), i.Kind, i.Serves, stamp(i.ChangedAt), orDash(i.ChangedBy), stale)
	}
	return tw.Flush()
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func orDash(t foreign.Text) foreign.Text {
	if t == "" {
		return "-"
	}
	return t
}
