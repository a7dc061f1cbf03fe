package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/experiment"
	"midwatch/foreign"
)

func (a *invocation) flagsGetCommand(o *flagOptions) *cobra.Command {
	return &cobra.Command{
		Use: "get KEY", Short: "One flag: who gets what, what hangs on it", Args: oneFlag,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withFlags(cmd, o, flagsWithin, func(ctx context.Context, s *flagSource) error {
				d, err := s.Get(ctx, s.environment, args[0])
				if err != nil {
					return err
				}
				if o.output == "json" {
					return a.writeJSON(flagDocument(s, d))
				}
				return a.printFlag(d)
			})
		},
	}
}

// flagRule is one rule of `flags get -o json`.
type flagRule struct {
	Name     foreign.Text   `json:"name,omitempty"`
	When     []foreign.Text `json:"when"`
	Serves   foreign.Text   `json:"serves"`
	Disabled bool           `json:"disabled,omitempty"`
}

func flagDocument(s *flagSource, d *flags.Detail) any {
	rules := make([]flagRule, len(d.Rules))
	for i, r := range d.Rules {
		rules[i] = flagRule{r.Name, append([]foreign.Text{}, r.When...), r.Serves, r.Disabled}
	}
	type pending struct {
		Kind foreign.Text `json:"kind"`
		What foreign.Text `json:"what"`
		By   foreign.Text `json:"by,omitempty"`
		At   time.Time    `json:"at,omitzero"`
	}
	var waiting []pending
	for _, p := range d.Pending {
		waiting = append(waiting, pending{p.Kind, p.What, p.By, p.At})
	}
	return struct {
		Schema      string `json:"schema"`
		Provider    string `json:"provider"`
		Environment string `json:"environment"`
		flagItem
		Description   foreign.Text   `json:"description,omitempty"`
		Rules         []flagRule     `json:"rules"`
		Default       foreign.Text   `json:"default"`
		Off           foreign.Text   `json:"off"`
		Prerequisites []foreign.Text `json:"prerequisites,omitempty"`
		Dependants    []string       `json:"dependants,omitempty"`
		Pending       []pending      `json:"pending,omitempty"`
		Notes         []foreign.Text `json:"notes,omitempty"`
	}{flagSchema, s.Info().Name, s.environment, itemOf(&d.Flag, s.environment), d.Description, rules, d.Default, d.Off, d.Prerequisites, d.Dependants, waiting, d.Notes}
}

func (a *invocation) printFlag(d *flags.Detail) error {
	tw := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	row := func(label string, text any) { fmt.Fprintf(tw, "%s\t%v\n", label, text) }
	row("flag", d.Key)
	row("is", onOff(d.State.On)+", "+string(d.Kind))
	if d.Description != "" {
		row("what", d.Description)
	}
	if !d.State.Changed.IsZero() {
		row("changed", stamp(d.State.Changed)+" by "+orDash(d.State.ChangedBy).String())
	}
	if d.Stale {
		row("stale", d.StaleWhy)
	}
	for _, p := range d.Prerequisites {
		row("needs", p)
	}
	for i, r := range d.Rules {
		who := "everyone"
		if len(r.When) > 0 {
			words := make([]string, len(r.When))
			for j, w := range r.When {
				words[j] = w.String()
			}
			who = strings.Join(words, " and ")
		}
		label := fmt.Sprintf("rule %d", i+1)
		if r.Disabled {
			label += " (disabled)"
		}
		row(label, who+" -> "+r.Serves.String())
	}
	if d.Default != "" {
		row("default", d.Default)
	}
	if d.Off != "" {
		row("while off", d.Off)
	}
	for _, p := range d.Pending {
		row("pending", p.Kind+": "+p.What)
	}
	if len(d.Dependants) > 0 {
		row("needed by", strings.Join(d.Dependants, ", "))
	}
	for _, n := range d.Notes {
		row("note", n)
	}
	return tw.Flush()
}

func (a *invocation) flagsEvalCommand(o *flagOptions) *cobra.Command {
	var who string
	cmd := &cobra.Command{
		Use: "eval [KEY...]", Short: "What somebody gets from every flag, and why",
		Long: `eval evaluates flags for one context and leaves no trace in the provider's
analytics. The context is a user key, key=value pairs after it, or JSON in
OpenFeature's, LaunchDarkly's or Unleash's form.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.ParseContext(who)
			if err != nil {
				return usage(cmd, "--context: %v", err)
			}
			return a.withFlags(cmd, o, flagsWithin, func(ctx context.Context, s *flagSource) error {
				list, err := s.Evaluate(ctx, s.environment, c, args...)
				if err != nil {
					return err
				}
				return a.printEvaluations(list, o.output)
			})
		},
	}
	cmd.Flags().StringVar(&who, "context", "", "whom to ask about")
	return cmd
}

// evaluation is one flag of `flags eval -o json`.
type evaluation struct {
	Key string `json:"key"`
	// Value is the JSON of the value; null when there is none.
	Value   any             `json:"value"`
	Variant foreign.Text    `json:"variant"`
	Reason  flags.Reason    `json:"reason"`
	Native  foreign.Text    `json:"nativeReason"`
	Why     []foreign.Text  `json:"why,omitempty"`
	Unsure  foreign.Text    `json:"unsure,omitempty"`
	Code    flags.ErrorCode `json:"errorCode,omitempty"`
	Error   foreign.Text    `json:"error,omitempty"`
}

func (a *invocation) printEvaluations(list []flags.Evaluation, output string) error {
	if output == "json" {
		out := make([]evaluation, len(list))
		for i, e := range list {
			out[i] = evaluation{Key: e.Key, Variant: e.Variant, Reason: e.Reason, Native: e.Native, Why: e.Why, Unsure: e.Unsure, Code: e.Code, Error: e.Error}
			switch raw := []byte(e.Value); {
			case json.Valid(raw):
				out[i].Value = json.RawMessage(raw)
			case len(raw) > 0: // a long value that was cut
				out[i].Value = e.Value
			}
		}
		return a.writeJSON(out)
	}
	tw := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "FLAG\tGETS\tVARIANT\tREASON\tNATIVE")
	for _, e := range list {
		gets := e.Value
		switch {
		case e.Code != flags.ErrorNone:
			gets = "error: " + e.Error
		case e.Unsure != "":
			gets += " (not certain: " + e.Unsure + ")"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", e.Key, gets, orDash(e.Variant), e.Reason, orDash(e.Native))
	}
	return tw.Flush()
}

func (a *invocation) flagsHistoryCommand(o *flagOptions) *cobra.Command {
	var back time.Duration
	cmd := &cobra.Command{
		Use: "history [KEY]", Short: "Who changed what, newest first",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, "want the key of one flag or none, not %q", strings.Join(args, " "))
			}
			key := strings.Join(args, "")
			return a.withFlags(cmd, o, flagsWithin, func(ctx context.Context, s *flagSource) error {
				if able := s.Info().Capabilities.Of(flags.CanAudit); !able.OK {
					return fmt.Errorf("the history of %s is not known: %s", s.Info().Name, able.Why)
				}
				list, err := s.Audit(ctx, s.environment, key, a.clock.Now().Add(-back))
				if err != nil {
					return err
				}
				return a.printHistory(s, key, list, o.output)
			})
		},
	}
	cmd.Flags().DurationVar(&back, "since", 30*24*time.Hour, "how far back")
	return cmd
}

// flagChange is one entry of `flags history -o json`.
type flagChange struct {
	At      time.Time      `json:"at"`
	By      foreign.Text   `json:"by"`
	Service bool           `json:"service,omitempty"`
	Key     string         `json:"key"`
	Action  foreign.Text   `json:"action"`
	Summary foreign.Text   `json:"summary,omitempty"`
	Comment foreign.Text   `json:"comment,omitempty"`
	Diff    []action.Field `json:"diff,omitempty"`
}

func (a *invocation) printHistory(s *flagSource, key string, list []flags.Change, output string) error {
	changes := make([]flagChange, len(list))
	for i, c := range list {
		changes[i] = flagChange{c.At, c.By, c.Service, c.Key, c.Action, c.Summary, c.Comment, c.Diff}
	}
	if output == "json" {
		return a.writeJSON(struct {
			Schema      string       `json:"schema"`
			Provider    string       `json:"provider"`
			Environment string       `json:"environment"`
			Key         string       `json:"key,omitempty"`
			Changes     []flagChange `json:"changes"`
		}{flagHistorySchema, s.Info().Name, s.environment, key, changes})
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(a.out, "nothing is known to have changed in this time")
		return err
	}
	for _, c := range changes {
		what := c.Summary
		if what == "" {
			what = c.Action
		}
		fmt.Fprintf(a.out, "%s  %s  %s  by %s", stamp(c.At), c.Key, what, orDash(c.By))
		if c.Comment != "" {
			fmt.Fprintf(a.out, "  (%s)", c.Comment)
		}
		fmt.Fprintln(a.out)
		for _, f := range c.Diff {
			fmt.Fprintf(a.out, "    %s: %s -> %s\n", f.Path, f.Before, f.After)
		}
	}
	return nil
}

const assignLong = `assign says which variant a user is given by an experiment that an application
assigns itself by hashing "NAME:USER" (docs/EXPERIMENTS.md), without asking anybody.`

func (a *invocation) flagsAssignCommand(o *flagOptions) *cobra.Command {
	var name, user string
	var variants []string
	var traffic float64
	cmd := &cobra.Command{
		Use: "assign --experiment NAME --variants a,b,c --traffic 0.1 --user ID", Short: "Which variant a self-hosted experiment gives a user", Long: assignLong, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case name == "":
				return usage(cmd, "--experiment is missing: the name that is hashed")
			case !cmd.Flags().Changed("user"):
				return usage(cmd, "--user is missing: the key as the application hashes it")
			case !cmd.Flags().Changed("traffic"):
				return usage(cmd, "--traffic is missing: a fraction such as 0.1")
			case o.output != "table" && o.output != "json":
				return usage(cmd, "-o %q: want table or json", o.output)
			}
			return a.printAssignment(experiment.Definition{Name: name, Variants: variants, Traffic: traffic}, user, o.output)
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "experiment", "", "the experiment's name")
	f.StringSliceVar(&variants, "variants", nil, "its arms in their order, with commas between")
	f.Float64Var(&traffic, "traffic", 0, "the share of users let in, 0.0 to 1.0")
	f.StringVar(&user, "user", "", "the user's key")
	return cmd
}

func (a *invocation) printAssignment(d experiment.Definition, user, output string) error {
	got, err := d.Assign(user)
	if err != nil {
		return err
	}
	if output == "json" {
		return a.writeJSON(struct {
			Schema string `json:"schema"`
			experiment.Assignment
		}{flagAssignSchema, got})
	}
	in := "outside the experiment"
	if got.Admitted {
		in = "in the experiment"
	}
	fmt.Fprintf(a.out, "%s gets %s: bucket %d of %d, %s (%d are let in)\n",
		foreign.CleanN(user, 200), foreign.CleanN(got.Variant, 200), got.Bucket, experiment.Buckets, in, d.Admitted())
	for _, l := range d.Lint() {
		fmt.Fprintf(a.out, "%s %s: %s\n", l.Severity, l.Pitfall, l.Text)
	}
	return nil
}
