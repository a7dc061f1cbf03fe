package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"midwatch/action"
)

// journalSchema names the JSON of `midwatch journal -o json`.
const journalSchema = "midwatch.journal/v1"

func (a *invocation) journalCommand() *cobra.Command {
	var output string
	var limit int
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "Print what was done from here, newest first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return usage(cmd, "-o %q: want table or json", output)
			}
			settings, err := a.settings()
			if err != nil {
				return err
			}
			return a.printJournal(cmd.Context(), action.NewJournal(settings.Journal, a.clock), output, limit)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many entries at most")
	return cmd
}

func (a *invocation) printJournal(ctx context.Context, journal *action.Journal, output string, limit int) error {
	entries, damaged, err := journal.Read(ctx, limit)
	if err != nil {
		return err
	}
	if output == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Schema  string         `json:"schema"`
			File    string         `json:"file"`
			Damaged int            `json:"damaged"`
			Entries []action.Entry `json:"entries"`
		}{journalSchema, journal.Path(), damaged, append([]action.Entry{}, entries...)})
	}
	if len(entries) == 0 {
		_, err := fmt.Fprintf(a.out, "nothing has been done from here (%s)\n", journal.Path())
		return err
	}
	tw := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "AT\tPHASE\tVERB\tTARGET\tCONTEXT\tUSER\tWHAT")
	for _, e := range entries {
		what := e.Effect
		if e.Error != "" {
			what = e.Error
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.At.Local().Format(time.DateTime), e.Phase, e.Verb, e.Target, e.Target.Context, e.User, what)
	}
	if damaged > 0 {
		fmt.Fprintf(tw, "%d damaged lines were left out\n", damaged)
	}
	return tw.Flush()
}
