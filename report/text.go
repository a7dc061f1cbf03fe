package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"midwatch/live"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// sign is plain ASCII: a log file or a CI page may hold nothing else.
func sign(sev live.Severity) string {
	switch sev {
	case live.Fail:
		return "x"
	case live.Warn:
		return "!"
	case live.Info:
		return "~"
	case live.OK:
		return "."
	}
	return "?"
}

// Table writes the board as aligned text without colour.
func (s *Status) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	if len(s.Workloads) > 0 {
		fmt.Fprintln(tw, "STATE\tNAMESPACE\tWORKLOAD\tREADY\tHPA\tSINCE\tWHY")
	}
	for _, wl := range s.Workloads {
		fmt.Fprintf(tw, "%s %s\t%s\t%s/%s\t%d/%d\t%s\t%s\t%s\n",
			sign(wl.Severity), wl.Severity, wl.Namespace, strings.ToLower(wl.Kind), wl.Name,
			wl.Rollout.TotalAvailable, wl.Rollout.Desired, wl.hpa(), s.age(wl.Since), wl.Message)
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write the status table: %w", err)
	}
	for _, line := range s.footnotes() {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return fmt.Errorf("write the status table: %w", err)
		}
	}
	return nil
}

// Markdown writes the board as a table for a chat or a pull request.
func (s *Status) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** · %s · %s\n\n", cell(s.Context), s.scope(), s.At.Format(time.RFC3339))
	if len(s.Workloads) > 0 {
		b.WriteString("| state | workload | ready | HPA | since | why |\n|---|---|---|---|---|---|\n")
	}
	for _, wl := range s.Workloads {
		fmt.Fprintf(&b, "| %s | %s `%s/%s` | %d/%d | %s | %s | %s |\n", wl.Severity, wl.Kind, cell(wl.Namespace), cell(wl.Name),
			wl.Rollout.TotalAvailable, wl.Rollout.Desired, wl.hpa(), s.age(wl.Since), cell(wl.Message.String()))
	}
	b.WriteString("\n")
	for _, line := range s.footnotes() {
		b.WriteString(cell(line) + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the status as Markdown: %w", err)
	}
	return nil
}

// footnotes are the lines under the table: the summary, and every source that
// is not complete, because a short board must not look like a healthy one.
func (s *Status) footnotes() []string {
	lines := []string{s.summary()}
	for _, src := range s.Sources {
		if src.State == live.Ready || src.State == live.Absent {
			continue
		}
		why := src.Err.String()
		if !strings.HasPrefix(why, src.State.String()) {
			why = strings.TrimSuffix(src.State.String()+": "+why, ": ")
		}
		lines = append(lines, src.Name+": "+why)
	}
	return lines
}

func (s *Status) summary() string {
	if s.Summary.Workloads == 0 {
		return "no workloads in " + s.scope()
	}
	noun := "workloads"
	if s.Summary.Workloads == 1 {
		noun = "workload"
	}
	parts := []string{fmt.Sprintf("%d %s in %s", s.Summary.Workloads, noun, s.scope())}
	for _, c := range []struct {
		n    int
		word string
	}{{s.Summary.Fail, "failing"}, {s.Summary.Warn, "warning"}, {s.Summary.Unknown, "unknown"}, {s.Summary.Info, "changing or parked"}, {s.Summary.OK, "ok"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	return strings.Join(parts, " · ")
}

func (s *Status) scope() string {
	switch n := len(s.Scope.Namespaces); n {
	case 0:
		return "all namespaces"
	case 1:
		return "namespace " + s.Scope.Namespaces[0]
	default:
		return "namespaces " + strings.Join(s.Scope.Namespaces, ", ")
	}
}

func (wl *Workload) hpa() string {
	if wl.HPA == nil {
		return "-"
	}
	text := fmt.Sprintf("%d/%d-%d", wl.HPA.Current, wl.HPA.Min, wl.HPA.Max)
	if wl.HPA.LimitedBy == "max" {
		text += " at max"
	}
	return text
}

// age is how long before At something began, coarse, as kubectl writes it.
func (s *Status) age(since time.Time) string {
	if since.IsZero() {
		return "-"
	}
	d := max(s.At.Sub(since), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// cell keeps foreign text from ending a Markdown table cell or starting
// markup of its own.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "`", "'", "*", `\*`, "_", `\_`, "[", `\[`).Replace(s)
}
