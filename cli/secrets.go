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

	"midwatch/k8s"
	"midwatch/live"
	"midwatch/report"
	"midwatch/secrets/read"
	"midwatch/ui/app"
)

// secretsSchema names the JSON of `midwatch secrets list` and `who`.
const secretsSchema = "midwatch.secrets/v1"

const secretsLong = `Which secrets workloads use, what fills them, and who holds an old version.

No value is ever read: Kubernetes Secrets are known by their metadata alone.

  midwatch secrets list -n shop          every workload's secrets, the worst first
  midwatch secrets list deploy/api       those of one workload
  midwatch secrets who fastapi-secrets   who uses a Secret, and which pods hold an old one
  midwatch secrets leases                the leases of Vault that end next`

func (a *invocation) secretsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "secrets", Short: "Which secrets workloads use, who holds an old one, and what ends when", Long: secretsLong, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return usage(cmd, "want list, who or leases") }}
	cmd.AddCommand(a.secretsListCommand(), a.secretsWhoCommand(), a.leasesCommand())
	return cmd
}

func (a *invocation) secretsListCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list [TARGET]", Short: "The secrets of every workload, or of one",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, "want one TARGET, not %q", strings.Join(args, " "))
			}
			return a.secrets(cmd, output, strings.Join(args, ""), func(report.Secret) bool { return true })
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func (a *invocation) secretsWhoCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "who SECRET", Short: "Who uses a Secret, and which pods hold an old version",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, "want one SECRET")
			}
			return a.secrets(cmd, output, "", func(s report.Secret) bool { return s.Name == args[0] })
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// secrets prints the secrets of the workloads of the scope that keep holds for.
func (a *invocation) secrets(cmd *cobra.Command, output, target string, keep func(report.Secret) bool) error {
	if output != "table" && output != "json" {
		return usage(cmd, "-o %q: want table or json", output)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), statusWithin)
	defer cancel()
	return a.withSession(ctx, func(s *app.Session) error {
		board, _, err := s.Watch.Once(ctx)
		if err != nil {
			return err
		}
		workloads, err := narrow(board.Workloads, target, s.Where.Namespaces)
		if err != nil {
			return err
		}
		rows, troubles := a.readSecrets(ctx, s, workloads)
		kept := make([]report.Secret, 0, len(rows))
		for _, r := range rows {
			if keep(r) {
				kept = append(kept, r)
			}
		}
		if len(rows) == 0 && len(troubles) > 0 {
			return errors.New(troubles[0])
		}
		for _, t := range troubles {
			fmt.Fprintf(a.err, "midwatch: %s\n", t)
		}
		return a.printSecrets(kept, s, output)
	})
}

// readSecrets reads the secrets of workloads, a few at a time, the worst
// first, and what went wrong, each thing once.
func (a *invocation) readSecrets(ctx context.Context, s *app.Session, workloads []*k8s.Workload) (rows []report.Secret, troubles []string) {
	reports := make([]*read.Report, len(workloads))
	errs := make([]error, len(workloads))
	sideBySide(len(workloads), func(i int) { reports[i], errs[i] = a.workloadSecrets(ctx, s, workloads[i].Ref) })
	said := map[string]bool{}
	say := func(text string) {
		if !said[text] {
			said[text] = true
			troubles = append(troubles, text)
		}
	}
	for i, r := range reports {
		if errs[i] != nil {
			say(errs[i].Error())
			continue
		}
		for _, src := range r.Sources {
			if src.State == live.Forbidden || src.State == live.Unreachable {
				say(src.Err.String())
			}
		}
		rows = append(rows, report.Secrets(r.Rows, workloads[i].String())...)
	}
	report.SortSecrets(rows)
	return rows, troubles
}

// workloadSecrets reads the secrets of one workload, and the leases behind them.
func (a *invocation) workloadSecrets(ctx context.Context, s *app.Session, ref k8s.Ref) (*read.Report, error) {
	r, err := read.Workload(ctx, s.Cluster, ref, a.clock.Now())
	if err == nil {
		s.Leases.Fill(ctx, r)
	}
	return r, err
}

func (a *invocation) printSecrets(rows []report.Secret, s *app.Session, output string) error {
	if output == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Schema  string          `json:"schema"`
			At      time.Time       `json:"at"`
			Context string          `json:"context"`
			Secrets []report.Secret `json:"secrets"`
		}{secretsSchema, a.clock.Now().UTC().Truncate(time.Second), s.Where.Context, rows})
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(a.out, "no workload of the scope uses such a secret")
		return err
	}
	tw := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "STATE\tSECRET\tWORKLOAD\tSTALE\tWHY")
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\n", r.State, r.Name, r.Workload, stalePods(r), r.Reason)
	}
	return tw.Flush()
}

func stalePods(r report.Secret) int {
	pods := map[string]bool{}
	for _, h := range r.StaleHolders {
		pods[h.Pod] = true
	}
	return len(pods)
}

// statusSecrets adds the secrets of the workloads in trouble, or of those asked
// for by name, to the report.
func (a *invocation) statusSecrets(ctx context.Context, s *app.Session, workloads []*k8s.Workload, doc *report.Status, byName bool) {
	detailed(workloads, byName, func(i int, w *k8s.Workload) {
		if r, err := a.workloadSecrets(ctx, s, w.Ref); err == nil {
			doc.Workloads[i].Secrets = report.Secrets(r.Rows, "")
		}
	})
}
