package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"midwatch/profiles"
	"midwatch/profiles/diff"
	"midwatch/profiles/summary"
	"midwatch/profiles/tree"
	"midwatch/report"
)

// flameRows bounds a flame in plain text.
const flameRows = 60

// merged puts the profiles of a side together.
func merged(side diff.Side) (*profiles.Profile, error) {
	if len(side.Profiles) == 1 {
		return side.Profiles[0], nil
	}
	p, err := profiles.Merge(side.Profiles...)
	if err != nil {
		return nil, err
	}
	sources := make([]string, len(side.Profiles))
	for i, x := range side.Profiles {
		sources[i] = x.Source
	}
	p.Source = strings.Join(sources, ", ")
	return p, nil
}

// writeProfile writes one profile in the form asked for.
func (a *invocation) writeProfile(w io.Writer, side, _ diff.Side, view tree.Options, o *profileOptions) error {
	p, err := merged(side)
	if err != nil {
		return err
	}
	if view.Type, err = p.TypeIndex(o.sample); err != nil {
		return err
	}
	if o.output == "pprof" {
		return a.writeProto(w, p, o)
	}
	t := tree.Build(p, view)
	if err := labelExists(p, view.LabelRoot); err != nil {
		return err
	}
	order := tree.ByFlat
	if o.cum {
		order = tree.ByCum
	}
	switch o.output {
	case "folded":
		return t.WriteFolded(w)
	case "json":
		return report.NewProfile(p, t, order, o.limit).Write(w)
	}
	a.writeHead(w, p, t.Type, summary.Lines(p, t), p.Warnings)
	if p.Empty() {
		return nil
	}
	if o.output == "flame" {
		return t.WriteFlame(w, a.flameWidth(o), flameRows)
	}
	return t.WriteTop(w, order, o.limit)
}

func labelExists(p *profiles.Profile, key string) error {
	if key == "" {
		return nil
	}
	keys := p.LabelKeys()
	for _, k := range keys {
		if k == key {
			return nil
		}
	}
	if len(keys) == 0 {
		return fmt.Errorf("--label-root %q: the samples of this profile carry no labels", key)
	}
	return fmt.Errorf("--label-root %q: this profile has the labels %s", key, strings.Join(keys, ", "))
}

// writeProto writes a gzipped pprof file, which is not for a terminal.
func (a *invocation) writeProto(w io.Writer, p *profiles.Profile, o *profileOptions) error {
	if o.out == "" {
		if f, ok := a.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return errors.New("-o pprof is binary: add --out FILE, or send it to another program")
		}
	}
	return p.Proto().Write(w)
}

// writeHead writes what the profile is and what it says, above a table.
func (a *invocation) writeHead(w io.Writer, p *profiles.Profile, typ profiles.ValueType, lines, warnings []string) {
	fmt.Fprintf(w, "%s: %s in %s, %s\n", p.Source, typ.Type, typ.Unit, p.Exactness)
	said := map[string]bool{}
	for _, l := range lines {
		said[l] = true
		fmt.Fprintf(w, "  %s\n", l)
	}
	for _, l := range warnings {
		if !said[l] {
			fmt.Fprintf(w, "  ! %s\n", l)
		}
	}
	fmt.Fprintln(w)
}

func (a *invocation) flameWidth(o *profileOptions) int {
	if o.width > 0 {
		return min(o.width, 1000)
	}
	if s, ok := a.env("COLUMNS"); ok {
		if n, err := strconv.Atoi(s); err == nil && n >= 20 {
			return min(n, 1000)
		}
	}
	return 120
}

// writeProfileDiff writes a comparison in the form asked for.
func (a *invocation) writeProfileDiff(w io.Writer, side, base diff.Side, view tree.Options, o *profileOptions) error {
	d, err := diff.Compare(base, side, diff.Options{Type: o.sample, Mode: diffMode(o.mode), View: view})
	if err != nil {
		return err
	}
	if o.exitCode && len(d.Culprits) > 0 {
		a.exit = exitBug
	}
	p, err := merged(side)
	if err != nil {
		return err
	}
	b, err := merged(base)
	if err != nil {
		return err
	}
	switch o.output {
	case "pprof":
		sub, err := profiles.Subtract(p, b)
		if err != nil {
			return err
		}
		return a.writeProto(w, sub, o)
	case "json":
		return report.NewProfileDiff(p, b, d, o.limit).Write(w)
	case "folded":
		return d.WriteFolded(w)
	}
	fmt.Fprintf(w, "%s against %s\n", p.Source, b.Source)
	a.writeHead(w, p, d.Type, summary.Diff(d), d.Warnings)
	if o.output == "flame" {
		return writeDiffTree(w, d)
	}
	return writeDiffTable(w, d, o.limit)
}

func diffMode(s string) diff.Mode {
	switch s {
	case "share":
		return diff.Share
	case "cores":
		return diff.Cores
	case "per-request":
		return diff.PerRequest
	case "absolute":
		return diff.Absolute
	}
	return diff.Auto
}

// writeDiffTable writes a row for each function: its cum on both sides, the
// change and the verdict.
func writeDiffTable(w io.Writer, d *diff.Diff, limit int) error {
	fmt.Fprintf(w, "%12s %12s %14s  %-2s%s\n", "base", "new", "change", "", "function (cum)")
	shown := d.Rows
	if limit > 0 && len(shown) > limit {
		shown = shown[:limit]
	}
	for _, r := range shown {
		sign, word := summary.Verdict(r)
		note := ""
		if r.Verdict != diff.Noise {
			note = "  " + word
		}
		fmt.Fprintf(w, "%12s %12s %14s  %s %s%s\n", summary.InMode(d, r.BaseCum), summary.InMode(d, r.NewCum), summary.Signed(d, r.Delta()), sign, r.Name, note)
	}
	if n := len(d.Rows) - len(shown); n > 0 {
		fmt.Fprintf(w, "%d more functions\n", n)
	}
	_, err := fmt.Fprintln(w, "▲ worse  ▼ better  ↳ passes it on  · within chance  ? too few samples")
	return err
}

// writeDiffTree writes the call paths whose cum moved by half a point or
// more, indented by depth.
func writeDiffTree(w io.Writer, d *diff.Diff) error {
	d.Walk(func(n int32, depth int, delta float64) {
		fmt.Fprintf(w, "%14s  %s%s\n", summary.Signed(d, delta), strings.Repeat("  ", depth), d.Frames[d.Nodes[n].Frame].Name)
	})
	return nil
}
