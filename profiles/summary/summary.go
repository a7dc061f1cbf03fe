// Package summary says in words what a profile shows: at most three lines
// that fit above a flame, into a chat message or into a log.
package summary

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/profiles"
	"midwatch/profiles/diff"
	"midwatch/profiles/tree"
)

// Lines sums up one view of a profile: where it goes, what the runtime takes
// of it, and what the numbers stand on.
func Lines(p *profiles.Profile, t *tree.Tree) []string {
	typ := typeIndex(p, t)
	if len(p.Types) == 0 || t.Nodes[0].Weight == 0 {
		reason := "no samples"
		if len(p.Warnings) > 0 {
			reason = p.Warnings[len(p.Warnings)-1]
		}
		return []string{reason}
	}
	var lines []string
	switch subject := tree.SubjectOf(p, typ); subject {
	case tree.Goroutines:
		lines = append(lines, goroutines(t))
	default:
		w := divide(t)
		lines = append(lines, where(t, w, subject))
		if s := runtimeLine(t, w); s != "" {
			lines = append(lines, s)
		}
	}
	return append(lines, provenance(p, t, typ))
}

func typeIndex(p *profiles.Profile, t *tree.Tree) int {
	return max(0, slices.Index(p.Types, t.Type))
}

// place is what a sample is counted under: the innermost function of one's
// own on its stack and what that called; or, without any, what the runtime
// was doing.
type place struct {
	own, callee int32 // frames; -1 for none
	runtime     string
}

// share is a place with its value.
type share struct {
	place
	value int64
}

// divide counts each sample once.
func divide(t *tree.Tree) []share {
	own := make([]bool, len(t.Frames))
	for i, f := range t.Frames {
		own[i] = tree.Own(f)
	}
	at := make([]place, len(t.Nodes))
	at[0] = place{own: -1, callee: -1}
	sums := map[place]int64{}
	for i := 1; i < len(t.Nodes); i++ {
		n := &t.Nodes[i]
		pl := at[n.Parent]
		switch {
		case own[n.Frame]:
			pl.own, pl.callee = n.Frame, -1
		case pl.callee < 0:
			pl.callee = n.Frame
		}
		if kind := runtimeWork(t.Frames[n.Frame].Name.String()); kind != "" {
			pl.runtime = kind
		}
		at[i] = pl
		if n.Self == 0 {
			continue
		}
		switch {
		case pl.runtime == garbage || pl.own < 0 && pl.runtime != "":
			sums[place{own: -1, callee: -1, runtime: pl.runtime}] += n.Self
		case pl.own < 0:
			sums[place{own: -1, callee: n.Frame}] += n.Self
		default:
			sums[place{own: pl.own, callee: pl.callee}] += n.Self
		}
	}
	list := make([]share, 0, len(sums))
	for pl, v := range sums {
		list = append(list, share{pl, v})
	}
	slices.SortFunc(list, func(a, b share) int {
		switch {
		case a.value > b.value:
			return -1
		case a.value < b.value:
			return 1
		case a.own != b.own:
			return int(a.own) - int(b.own)
		case a.callee != b.callee:
			return int(a.callee) - int(b.callee)
		}
		return strings.Compare(a.runtime, b.runtime)
	})
	return list
}

// What the runtime does for itself.
const (
	garbage    = "GC"
	scheduling = "scheduling"
)

// runtimeWork names the runtime's own work by its entry points: Go's garbage
// collector (background workers, assists, sweeping) and scheduler, and the
// pseudo frame of Python's sampler.
func runtimeWork(name string) string {
	switch name {
	case "runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.gcAssistAlloc1", "runtime.bgsweep", "runtime.bgscavenge",
		"runtime.gcStart", "runtime.gcMarkDone", "runtime.gcDrain", "runtime.deductSweepCredit", "runtime.gcWriteBarrier", "<GC>":
		return garbage
	case "runtime.mcall", "runtime.schedule", "runtime.findRunnable", "runtime.mstart", "runtime.morestack", "runtime.gosched_m":
		return scheduling
	}
	return ""
}

// percent writes a share for reading: "61 %", "<1 %".
func percent(v, total int64) string {
	if total == 0 {
		return "0 %"
	}
	r := 100 * float64(v) / float64(total)
	if r > -0.5 && r < 0.5 {
		return "<1 %"
	}
	return fmt.Sprintf("%.0f %%", r)
}

// name is a frame as people say it.
func name(t *tree.Tree, f int32) string { return tree.Short(t.Frames[f].Name) }

// sentence describes one place: "json.Unmarshal under main.handleOrder".
func sentence(t *tree.Tree, s share) string {
	switch {
	case s.runtime != "":
		return s.runtime
	case s.own < 0 && s.callee < 0:
		return "no frame"
	case s.own < 0:
		return name(t, s.callee)
	case s.callee < 0 && t.Exactness == profiles.FlatOnly:
		return name(t, s.own)
	case s.callee < 0:
		return name(t, s.own) + " itself"
	}
	return name(t, s.callee) + " under " + name(t, s.own)
}

// where names the one to three largest places.
func where(t *tree.Tree, list []share, subject tree.Subject) string {
	total := t.Nodes[0].Cum
	var parts []string
	for _, s := range list {
		if s.runtime != "" || len(parts) == 3 || len(parts) > 0 && s.value*20 < total {
			continue
		}
		parts = append(parts, percent(s.value, total)+" in "+sentence(t, s))
	}
	line := strings.Join(parts, ", ")
	switch {
	case line == "":
		line = "all of it in the runtime itself"
	case largest(list)*10 < total:
		if s := spread(t); s != "" {
			line = s + "; the largest single place has " + line
		}
	}
	switch subject {
	case tree.Heap:
		return profiles.FormatValue(total, t.Type.Unit) + inUse(t) + ": " + line
	case tree.Allocs:
		return profiles.FormatValue(total, t.Type.Unit) + " allocated since the start: " + line
	case tree.Waiting:
		return profiles.FormatValue(total, t.Type.Unit) + " waited: " + line
	}
	return line
}

// largest returns the value of the largest place that is not the runtime's.
func largest(list []share) int64 {
	for _, s := range list {
		if s.runtime == "" {
			return s.value
		}
	}
	return 0
}

// spread describes a profile without a hot spot: the deepest function on the
// way down that still holds a quarter of it.
func spread(t *tree.Tree) string {
	at := int32(0)
	for {
		next := t.Nodes[at].FirstChild // the largest comes first
		if next < 0 || t.Nodes[next].Cum*4 < t.Nodes[0].Cum {
			break
		}
		at = next
	}
	if at == 0 {
		return ""
	}
	return percent(t.Nodes[at].Cum, t.Nodes[0].Cum) + " under " + tree.Short(t.Name(at)) + ", spread out"
}

func inUse(t *tree.Tree) string {
	if t.Type.Unit == "count" {
		return " objects in use"
	}
	return " in use"
}

// runtimeLine says what the garbage collector and the scheduler take.
func runtimeLine(t *tree.Tree, list []share) string {
	var parts []string
	for _, s := range list {
		if s.runtime != "" && s.value*200 >= t.Nodes[0].Cum {
			parts = append(parts, s.runtime+" "+percent(s.value, t.Nodes[0].Cum))
		}
	}
	return strings.Join(parts, ", ")
}

// goroutines says how many there are and where most of them stand.
func goroutines(t *tree.Tree) string {
	total := t.Nodes[0].Cum
	waits := map[string]int64{}
	at := make([]int32, len(t.Nodes)) // innermost frame that is not plumbing
	parked := make([]bool, len(t.Nodes))
	at[0] = -1
	for i := 1; i < len(t.Nodes); i++ {
		n := &t.Nodes[i]
		at[i], parked[i] = at[n.Parent], parked[n.Parent]
		f := t.Frames[n.Frame]
		if tree.Idle(f) {
			parked[i] = true
		}
		if at[i] < 0 || !plumbing(f) {
			at[i] = n.Frame
		}
		if n.Self != 0 {
			verb := " in "
			if parked[i] {
				verb = " waiting on "
			}
			waits[verb+name(t, at[i])] += n.Self
		}
	}
	keys := make([]string, 0, len(waits))
	for k := range waits {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if waits[a] != waits[b] {
			return int(min(max(waits[b]-waits[a], -1), 1))
		}
		return strings.Compare(a, b)
	})
	unit := "goroutines"
	if strings.HasPrefix(t.Type.Type, "thread") {
		unit = "threads"
	}
	line := Count(total) + " " + unit
	if total == 1 {
		line = "1 " + strings.TrimSuffix(unit, "s")
	}
	for i, k := range keys {
		if i == 2 || waits[k]*20 < total {
			break
		}
		line += ", " + Count(waits[k]) + k
	}
	return line
}

// plumbing reports frames that say how something waits rather than for what.
func plumbing(f tree.Frame) bool {
	switch tree.Package(f) {
	case "runtime", "sync", "internal/poll", "internal/sync", "internal/runtime/syscall", "syscall", "time", "internal/singleflight":
		return true
	}
	return f.Name == "wait" || f.Name == "acquire" || f.Name == "select" || f.Name == "poll"
}

func seconds(d time.Duration) string {
	if d >= 100*time.Second {
		return Count(int64(d.Seconds())) + " s"
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return Count(n) + " " + word + "s"
}

// Count writes a number with thousands apart: 1,204.
func Count(n int64) string {
	s := fmt.Sprint(max(n, -n))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if n < 0 {
		return "-" + s
	}
	return s
}

// provenance says what the numbers stand on.
func provenance(p *profiles.Profile, t *tree.Tree, typ int) string {
	var parts []string
	subject := tree.SubjectOf(p, typ)
	if subject == tree.CPU && p.Duration > 0 && p.Types[typ].Unit == "nanoseconds" {
		parts = append(parts, fmt.Sprintf("%.2f cores for %s", float64(t.Total)/float64(p.Duration), seconds(p.Duration)))
	} else if p.Duration > 0 && subject != tree.Goroutines {
		parts = append(parts, "over "+seconds(p.Duration))
	}
	switch p.Exactness {
	case profiles.Sampled:
		if subject == tree.Heap || subject == tree.Allocs {
			parts = append(parts, "sampled by bytes allocated")
		} else if subject != tree.Goroutines {
			parts = append(parts, plural(p.SampleCount(), "sample"))
		}
	case profiles.Exact:
		parts = append(parts, "exact")
	case profiles.Reconstructed:
		parts = append(parts, "flat and cum are exact, stacks are reconstructed")
	case profiles.FlatOnly:
		parts = append(parts, "totals by place, without callers")
	}
	if kept := t.Nodes[0].Cum; kept != t.Total && t.Total != 0 {
		parts = append(parts, percent(kept, t.Total)+" of the whole is shown")
	}
	if len(parts) == 0 {
		parts = append(parts, plural(p.Records, "stack"))
	}
	return strings.Join(parts, ", ")
}

// Diff sums up a comparison: the total line first, then what got worse and
// where, then what the verdicts stand on.
func Diff(d *diff.Diff) []string {
	lines := []string{totalLine(d)}
	switch worse, better := d.Culprits, improvements(d); {
	case len(worse) > 0:
		parts := make([]string, 0, 3)
		for _, r := range worse[:min(3, len(worse))] {
			parts = append(parts, change(d, r))
		}
		lines = append(lines, "worse: "+strings.Join(parts, "; "))
	case len(better) > 0:
		lines = append(lines, "better: "+change(d, better[0])+"; nothing got worse beyond chance")
	default:
		lines = append(lines, "no function changed beyond chance")
	}
	noise := 0
	for _, r := range d.Rows {
		if r.Verdict == diff.Noise || r.Verdict == diff.TooFew {
			noise++
		}
	}
	basis := fmt.Sprintf("%s and %s samples of %d and %d pods; %d of %d functions are noise",
		Count(int64(d.Base.Samples)), Count(int64(d.New.Samples)), d.Base.Pods, d.New.Pods, noise, len(d.Rows))
	if d.Correction != 1 {
		basis += fmt.Sprintf(", new shares judged times %.2f for what the change takes from all others", d.Correction)
	}
	return append(lines, basis)
}

func improvements(d *diff.Diff) []diff.Row {
	var list []diff.Row
	for _, r := range d.Rows {
		if r.Verdict == diff.Improvement {
			list = append(list, r)
		}
	}
	return list
}

// totalLine compares the sides as a whole: a share cannot see a slowdown of
// everything.
func totalLine(d *diff.Diff) string {
	a, b := d.Base.PerPod, d.New.PerPod
	unit := "per pod"
	var x, y string
	if d.Type.Unit == "nanoseconds" && d.Base.Seconds > 0 && d.New.Seconds > 0 {
		x, y = fmt.Sprintf("%.2f", a), fmt.Sprintf("%.2f", b)
		unit = "cores/pod"
		if d.Type.Type != "cpu" {
			unit = "s per second and pod"
		}
	} else {
		x, y = profiles.FormatValue(int64(a), d.Type.Unit), profiles.FormatValue(int64(b), d.Type.Unit)
		if d.Type.Unit == "count" {
			unit = d.Type.Type + " per pod"
		}
	}
	return fmt.Sprintf("%s: %s -> %s %s (%s)", d.Type.Type, x, y, unit, Relative(a, b))
}

// Relative writes a change in per cent: "+30 %", "new", "same".
func Relative(a, b float64) string {
	switch a {
	case b:
		return "same"
	case 0:
		return "new"
	}
	return fmt.Sprintf("%+.0f %%", 100*(b-a)/a)
}

// change describes one row: "main.price 12.0 % -> 41.3 % (+29.3 points)".
func change(d *diff.Diff, r diff.Row) string {
	return fmt.Sprintf("%s %s -> %s (%s)", tree.Short(foreign.Text(r.Name)), InMode(d, r.BaseCum), InMode(d, r.NewCum), Signed(d, r.Delta()))
}

// InMode writes a value of a row in the unit of the comparison's mode.
func InMode(d *diff.Diff, v float64) string {
	switch d.Mode {
	case diff.Share:
		return fmt.Sprintf("%.1f %%", v)
	case diff.Cores:
		return fmt.Sprintf("%.2f cores", v)
	}
	return profiles.FormatValue(int64(v), d.Type.Unit)
}

// Signed writes a change with its sign and unit.
func Signed(d *diff.Diff, v float64) string {
	switch d.Mode {
	case diff.Share:
		return fmt.Sprintf("%+.1f points", v)
	case diff.Cores:
		return fmt.Sprintf("%+.2f cores", v)
	}
	s := profiles.FormatValue(int64(v), d.Type.Unit)
	if v > 0 {
		return "+" + s
	}
	return s
}

// Verdict is the sign and the word of a verdict, for tables.
func Verdict(r diff.Row) (sign, word string) {
	switch r.Verdict {
	case diff.Regression:
		return "▲", "regression"
	case diff.Improvement:
		return "▼", "improvement"
	case diff.Through:
		return "↳", "through " + tree.Short(r.Via)
	case diff.Within:
		return "↳", "in " + tree.Short(r.Via)
	case diff.TooFew:
		return "?", "too few samples"
	}
	return "·", "noise"
}
