package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"midwatch/k8s"
	"midwatch/report"
	"midwatch/ui/app"
)

// statusWithin bounds one `midwatch status`, from the first byte to the last.
const statusWithin = 30 * time.Second

const statusLong = `status prints the board once: every workload, the worst first, each with one
sentence. It exits 0 when all is well, 1 when something is in trouble, and 2
when it could not tell (usage, unreachable, forbidden).

TARGET narrows it to one workload: NAME, or KIND/NAME as kubectl writes it.
With -o md that one is told as the first paragraph of an incident report.`

func (a *invocation) statusCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status [TARGET]",
		Short: "The board once, as text, JSON or Markdown",
		Long:  statusLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usage(cmd, "want one TARGET, not %q", strings.Join(args, " "))
			case output != "table" && output != "json" && output != "md":
				return usage(cmd, "-o %q: want table, json or md", output)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), statusWithin)
			defer cancel()
			return a.status(ctx, strings.Join(args, ""), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json or md")
	return cmd
}

func (a *invocation) status(ctx context.Context, target, output string) error {
	return a.withSession(ctx, func(s *app.Session) error { return a.printStatus(ctx, s, target, output) })
}

// printStatus judges once and writes what TARGET names of it.
func (a *invocation) printStatus(ctx context.Context, s *app.Session, target, output string) error {
	board, sources, err := s.Watch.Once(ctx)
	if err != nil {
		return err
	}
	if board, sources, err = a.withEndings(ctx, s, board, sources); err != nil {
		return err
	}
	workloads, err := narrow(board.Workloads, target, s.Where.Namespaces)
	if err != nil {
		return err
	}
	doc := report.New(a.clock.Now(), s.Where.Context, s.Where.Namespaces, workloads, sources)
	if output == "json" {
		a.probes(ctx, s, workloads, doc, target != "")
		a.workloadFlags(ctx, s, workloads, doc, target != "")
		a.statusSecrets(ctx, s, workloads, doc, target != "")
	}
	if output == "json" || output == "md" && target != "" {
		doc.Explained(s.Scalers.Once(ctx, workloads))
	}
	if at, ends := s.Vault.TokenEnds(); ends {
		doc.TokenEnds(at, a.clock.Now(), s.Vault.Warn())
	}
	if t := doc.VaultToken; t != nil && output != "json" {
		fmt.Fprintf(a.err, "midwatch: %s\n", t.Message)
	}
	a.exit = doc.ExitCode()
	switch output {
	case "json":
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(doc)
	case "md":
		if target != "" {
			return doc.Incident(a.out)
		}
		return doc.Markdown(a.out)
	}
	return doc.Table(a.out)
}

// narrow keeps the workloads that TARGET names; "" keeps all.
func narrow(all []*k8s.Workload, target string, namespaces []string) ([]*k8s.Workload, error) {
	if target == "" {
		return all, nil
	}
	kind, name, found := strings.Cut(target, "/")
	if !found {
		kind, name = "", target
	}
	if kind != "" {
		full, ok := kindNames(strings.ToLower(kind))
		if !ok {
			return nil, fmt.Errorf("no kind %q: want deployment, statefulset, daemonset or rollout", kind)
		}
		kind = full
	}
	var kept []*k8s.Workload
	for _, w := range all {
		if w.Name == name && (kind == "" || w.Kind == kind) {
			kept = append(kept, w)
		}
	}
	if len(kept) == 0 {
		scope := "any namespace"
		if len(namespaces) > 0 {
			scope = "namespace " + strings.Join(namespaces, ", ")
		}
		return nil, fmt.Errorf("no workload %q in %s: `midwatch status` without a TARGET lists them", target, scope)
	}
	return kept, nil
}

// kindNames reads kubectl's names of the kinds midwatch judges.
func kindNames(s string) (string, bool) {
	s, _, _ = strings.Cut(s, ".")
	switch s {
	case "deployment", "deployments", "deploy":
		return k8s.Deployment, true
	case "statefulset", "statefulsets", "sts":
		return k8s.StatefulSet, true
	case "daemonset", "daemonsets", "ds":
		return k8s.DaemonSet, true
	case "rollout", "rollouts", "ro":
		return k8s.Rollout, true
	}
	return "", false
}
