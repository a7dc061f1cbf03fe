package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/foreign"
)

const switchLong = `%s plans to turn a flag %s and prints the plan. With --write it is carried out:
--yes KEY stands for typing the flag's key, --comment for the reason, where the
environment asks for them. The command then waits for the proofs: the API took
it, it reads so, what applications get changed, traffic followed.

It exits 0 when the change was made and seen, 1 when it was made and a proof is
missing, 2 when nothing was changed.`

// flagsSwitchCommand is `flags on` or `flags off`.
func (a *invocation) flagsSwitchCommand(o *flagOptions, kind flags.EditKind) *cobra.Command {
	var yes, comment, who string
	cmd := &cobra.Command{
		Use: string(kind) + " KEY", Short: "Turn a flag " + string(kind) + ", with a plan, a guard and proofs", Long: fmt.Sprintf(switchLong, kind, kind), Args: oneFlag,
		RunE: func(cmd *cobra.Command, args []string) error {
			var pinned *flags.EvalContext
			if who != "" {
				c, err := flags.ParseContext(who)
				if err != nil {
					return usage(cmd, "--context: %v", err)
				}
				pinned = &c
			}
			return a.withFlags(cmd, o, flagChangeWithin, func(ctx context.Context, s *flagSource) error {
				if able := s.Info().Capabilities.Of(flags.CanToggle); !able.OK {
					return fmt.Errorf("turn %s %s: %s", kind, args[0], able.Why)
				}
				p, err := s.Plan(ctx, flags.Edit{Kind: kind, Environment: s.environment, Key: args[0]}, pinned)
				if err != nil {
					return fmt.Errorf("turn %s %s in %s: %w", kind, args[0], s.environment, err)
				}
				return a.carryOut(ctx, s, p, action.Confirmation{Typed: yes, Reason: comment}, o.output)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&a.write, "write", false, "carry the plan out")
	f.StringVar(&yes, "yes", "", "the flag's key, typed as the confirmation")
	f.StringVar(&comment, "comment", "", "the reason, for the journal and the provider")
	f.StringVar(&who, "context", "", "whom the plan works out before and after for")
	return cmd
}

// carryOut prints the plan and, unlocked, takes it through the gate.
func (a *invocation) carryOut(ctx context.Context, s *flagSource, p *flags.Proposal, c action.Confirmation, output string) error {
	settings, err := a.settings()
	if err != nil {
		return err
	}
	if output == "table" {
		a.printPlan(p.Plan)
	}
	file, cleanUp, err := a.journalFile(settings)
	if err != nil {
		return err
	}
	defer cleanUp()
	gate := action.NewGate(s.lock, action.NewJournal(file, a.clock), a.clock, s.Info().Identity.String(), action.ProtectContexts(settings.Protected))
	if err := missing(gate, p.Plan, s.lock, c); err != nil {
		return err
	}
	out, err := gate.Run(ctx, p.Plan, c)
	if err != nil {
		return err
	}
	_, _, unseen := gate.Verify(ctx, out)
	if unseen != nil {
		a.exit = 1
	}
	if output == "json" {
		return a.writeJSON(changeDocument(s, p, out, unseen))
	}
	for _, step := range p.Ladder.Steps() {
		took := string(step.State)
		if step.Took > 0 {
			took = step.Took.String()
		}
		fmt.Fprintf(a.out, "  %-16s %-12s %s\n", step.Name, took, step.Text)
	}
	if unseen != nil {
		fmt.Fprintf(a.out, "made, but not all of it was seen: %s\n", foreign.CleanN(unseen.Error(), 400))
	}
	return nil
}

// missing says what has to be added to the command line, before anything is
// tried.
func missing(gate *action.Gate, p *action.Plan, lock *action.Lock, c action.Confirmation) error {
	var add []string
	if !lock.Unlocked() {
		add = append(add, "--write")
	}
	danger := gate.Effective(p)
	if danger >= action.DangerName && strings.TrimSpace(c.Typed) != p.Target.Name {
		add = append(add, "--yes "+p.Target.Name)
	}
	if danger >= action.DangerReason && strings.TrimSpace(c.Reason) == "" {
		add = append(add, `--comment "why"`)
	}
	if len(add) == 0 {
		return nil
	}
	return fmt.Errorf("nothing was changed: to carry this out add %s", strings.Join(add, " "))
}

func (a *invocation) printPlan(p *action.Plan) {
	fmt.Fprintf(a.out, "%s\n  %s\n", p.Title, p.Blast)
	for _, c := range p.Changes {
		fmt.Fprintf(a.out, "  %s: %s -> %s\n", c.Path, c.Before, c.After)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(a.out, "  ! %s\n", foreign.CleanN(w, 400))
	}
	if p.Undo != "" {
		fmt.Fprintf(a.out, "  undo: %s\n", p.Undo)
	}
}

// changeDocument is `flags on -o json`.
func changeDocument(s *flagSource, p *flags.Proposal, out action.Outcome, unseen error) any {
	type step struct {
		Name  string          `json:"name"`
		State flags.StepState `json:"state"`
		// Took is in seconds, counted from the write.
		Took float64      `json:"took,omitempty"`
		Text foreign.Text `json:"text,omitempty"`
	}
	var steps []step
	for _, x := range p.Ladder.Steps() {
		steps = append(steps, step{x.Name, x.State, x.Took.Seconds(), x.Text})
	}
	doc := struct {
		Schema      string         `json:"schema"`
		Provider    string         `json:"provider"`
		Environment string         `json:"environment"`
		Key         string         `json:"key"`
		Verb        string         `json:"verb"`
		Journal     string         `json:"journal"`
		Changes     []action.Field `json:"changes"`
		Steps       []step         `json:"steps"`
		Seen        bool           `json:"seen"`
		Error       foreign.Text   `json:"error,omitempty"`
	}{flagChangeSchema, s.Info().Name, s.environment, p.Edit.Key, p.Plan.Verb, out.ID, p.Plan.Changes, steps, unseen == nil, ""}
	if unseen != nil {
		doc.Error = foreign.CleanN(unseen.Error(), 400)
	}
	return doc
}
