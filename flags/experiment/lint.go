package experiment

import (
	"fmt"
	"math"
	"strings"

	"midwatch/live"
)

// Pitfall names one way in which an experiment does not do what it seems to.
type Pitfall string

// The pitfalls of assigning by one hash.
const (
	// NoVariants: the modulo by zero fails every request of a user let in.
	NoVariants Pitfall = "no-variants"
	// ZeroIsNoKill: traffic 0 lets bucket 0 in, one user of ten thousand.
	ZeroIsNoKill Pitfall = "zero-is-no-kill"
	// PercentTyped: a traffic above 1 is everyone; 50 was meant as a percentage.
	PercentTyped Pitfall = "percent-typed"
	// NotANumber: a NaN compares false, so everyone is let in.
	NotANumber Pitfall = "not-a-number"
	// Correlated: bucket and arm come from one number, so a small traffic
	// skews the split between the arms.
	Correlated Pitfall = "bucket-and-arm-correlated"
	// Contaminated: users outside are given and recorded as "control", which
	// is also an arm; a comparison against it is wrong.
	Contaminated Pitfall = "control-contaminated"
	// ExtraArm: users outside are recorded as "control" although there is no
	// such arm.
	ExtraArm Pitfall = "control-is-no-arm"
	// Repeated: an arm stands twice in the list and gets twice the share.
	Repeated Pitfall = "variant-repeated"
	// Ambiguous: "a:b" with user "c" hashes like "a" with user "b:c".
	Ambiguous Pitfall = "name-holds-a-colon"
	// Off: nobody is let in.
	Off Pitfall = "off"
	// OneArm: everyone let in gets the same; it is a switch, no experiment.
	OneArm Pitfall = "one-arm"
)

// Lint is one pitfall of a definition, in words.
type Lint struct {
	Pitfall  Pitfall       `json:"pitfall"`
	Severity live.Severity `json:"severity"`
	Text     string        `json:"text"`
}

// Lint says what is wrong or surprising about a definition, the worst first.
func (d Definition) Lint() []Lint {
	var out []Lint
	add := func(p Pitfall, sev live.Severity, format string, args ...any) {
		out = append(out, Lint{p, sev, fmt.Sprintf(format, args...)})
	}
	n, m := len(d.Variants), d.Admitted()
	if n == 0 && m > 0 {
		add(NoVariants, live.Fail, "no variants: requests fail for the %s let in", percent(float64(m)/Buckets))
	}
	switch {
	case math.IsNaN(d.Traffic):
		add(NotANumber, live.Fail, "traffic is not a number, which lets everyone in")
	case d.Traffic > 1:
		add(PercentTyped, live.Fail, "traffic %g is everyone: it is a fraction, %g was probably meant", d.Traffic, d.Traffic/100)
	case d.Traffic >= 0 && m == 1:
		add(ZeroIsNoKill, live.Warn, "traffic %g is not off: bucket 0, one user of ten thousand, is still let in; -1 lets nobody in", d.Traffic)
	case m == 0:
		add(Off, live.Info, "nobody is let in")
	}
	d.lintArms(n, m, add)
	if strings.Contains(d.Name, ":") {
		add(Ambiguous, live.Info, "the name holds a colon: it hashes like the part before it with a longer user key")
	}
	return out
}

func (d Definition) lintArms(n, m int, add func(Pitfall, live.Severity, string, ...any)) {
	counts := map[string]int{}
	for _, v := range d.Variants {
		counts[v]++
		if counts[v] == 2 {
			add(Repeated, live.Warn, "%q stands more than once and gets that many shares", v)
		}
	}
	if m == 0 || n == 0 {
		return
	}
	if len(counts) == 1 {
		add(OneArm, live.Info, "one arm only: everyone let in gets %q", d.Variants[0])
	}
	if m < Buckets {
		if counts[Control] > 0 {
			add(Contaminated, live.Warn, "%s of all users are outside and are recorded as %q too: %s of what is recorded as control is not in the experiment",
				percent(1-float64(m)/Buckets), Control, percent(d.contamination(m)))
		} else {
			add(ExtraArm, live.Warn, "users outside get %q, which is no arm: the application must know it", Control)
		}
	}
	if low, high := d.spread(n, m); high-low > 0.001 {
		add(Correlated, live.Warn, "arm and bucket come from one hash: the arms get %s to %s of those let in instead of %s each",
			percent(low), percent(high), percent(1/float64(n)))
	}
}

// contamination is which part of everyone recorded as control is outside.
func (d Definition) contamination(m int) float64 {
	outside := 1 - float64(m)/Buckets
	for _, s := range d.Shares() {
		if s.Variant == Control && s.Overall > 0 {
			return outside / s.Overall
		}
	}
	return 0
}

// spread is the smallest and the largest share of an arm.
func (d Definition) spread(n, m int) (low, high float64) {
	low, high = 1, 0
	for i := range n {
		s := armShare(i, n, m)
		low, high = min(low, s), max(high, s)
	}
	return low, high
}

// percent is a share for people: "0.01 %", "54.5 %", "95 %".
func percent(f float64) string {
	s := fmt.Sprintf("%.2f", 100*f)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + " %"
}
