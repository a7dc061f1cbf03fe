package experiment

import (
	"math"
	"slices"
)

// Thresholds of the sample-ratio test, as GrowthBook uses them (constants.ts):
// a mismatch is called at p < 0.001, and not with fewer than 8 users an arm.
const (
	MismatchBelow = 0.001
	EnoughPerArm  = 8
)

// Health is what the sample-ratio test says.
type Health string

// The answers of the test.
const (
	// Balanced: the split may well be the one that was meant.
	Balanced Health = "balanced"
	// Mismatch: it is not; whatever is measured on it is not to be trusted.
	Mismatch Health = "mismatch"
	// TooFew: not enough users to tell.
	TooFew Health = "too-few"
	// Untestable: fewer than two arms are meant to get anyone, or the counts
	// are not of users.
	Untestable Health = "untestable"
)

// Arm is one variant's count beside what was meant.
type Arm struct {
	Variant string `json:"variant"`
	// Users counts each user once.
	Users int `json:"users"`
	// Expected is how many of the total the definition would give it.
	Expected float64 `json:"expected"`
}

// Split is the sample-ratio test: Pearson's chi-square of the users per
// variant against the shares that were meant. It holds for unique users only;
// evaluations of a flag are not independent and would raise false alarms.
type Split struct {
	Health Health `json:"health"`
	Users  int    `json:"users"`
	Arms   []Arm  `json:"arms"`
	// Chi2, Freedom and P are the statistic, its degrees of freedom and the
	// chance of a split at least as uneven; P is 1 when it was not tested.
	Chi2    float64 `json:"chi2"`
	Freedom int     `json:"degreesOfFreedom"`
	P       float64 `json:"p"`
	// Strange are users recorded with a variant that is none; they alone make
	// a mismatch.
	Strange int `json:"strange,omitempty"`
}

// Split tests counts of unique users by recorded variant against what the
// definition gives all users. Since users outside are recorded as control, so
// is their share expected there.
func (d Definition) Split(users map[string]int) Split {
	shares := d.Shares()
	arms := make([]Arm, len(shares))
	weights := make([]float64, len(shares))
	for i, s := range shares {
		arms[i] = Arm{Variant: s.Variant, Users: users[s.Variant]}
		weights[i] = s.Overall
	}
	strange := 0
	for v, n := range users {
		if !slices.ContainsFunc(arms, func(a Arm) bool { return a.Variant == v }) {
			strange += n
		}
	}
	out := TestSplit(arms, weights)
	out.Strange = strange
	if strange >= EnoughPerArm {
		out.Health = Mismatch
	}
	return out
}

// TestSplit tests the users of arms against weights, which need not sum to
// one. An arm without weight that has users is a mismatch by itself.
func TestSplit(arms []Arm, weights []float64) Split {
	out := Split{Arms: slices.Clone(arms), P: 1}
	sum := 0.0
	for i, a := range arms {
		out.Users += a.Users
		sum += weights[i]
	}
	meant, least, impossible := 0, math.Inf(1), 0
	for i := range out.Arms {
		a := &out.Arms[i]
		if weights[i] <= 0 || sum <= 0 {
			impossible += a.Users
			continue
		}
		a.Expected = float64(out.Users) * weights[i] / sum
		meant++
		least = min(least, a.Expected)
		if a.Expected > 0 {
			out.Chi2 += (float64(a.Users) - a.Expected) * (float64(a.Users) - a.Expected) / a.Expected
		}
	}
	out.Freedom = max(0, meant-1)
	switch {
	case impossible >= EnoughPerArm:
		out.Health, out.Chi2 = Mismatch, 0
	case meant < 2:
		out.Health, out.Chi2 = Untestable, 0
	case least < EnoughPerArm:
		out.Health = TooFew
	default:
		out.P = ChiSquareTail(out.Chi2, out.Freedom)
		out.Health = Balanced
		if out.P < MismatchBelow {
			out.Health = Mismatch
		}
	}
	return out
}

// ChiSquareTail is the chance that a chi-square variable with that many
// degrees of freedom exceeds x: the regularised upper incomplete gamma
// function Q(freedom/2, x/2), by its series below a+1 and by Lentz's continued
// fraction above (Numerical Recipes 6.2).
func ChiSquareTail(x float64, freedom int) float64 {
	if freedom <= 0 || !(x > 0) {
		return 1
	}
	a, z := float64(freedom)/2, x/2
	lg, _ := math.Lgamma(a)
	front := math.Exp(-z + a*math.Log(z) - lg)
	if z < a+1 {
		term := 1 / a
		sum := term
		for n := a + 1; math.Abs(term) > math.Abs(sum)*1e-16; n++ {
			term *= z / n
			sum += term
		}
		return max(0, 1-front*sum)
	}
	const tiny = 1e-300
	b := z + 1 - a
	c, d := 1/tiny, 1/b
	h := d
	for i := 1.0; i < 10000; i++ {
		an := -i * (i - a)
		b += 2
		d = an*d + b
		if math.Abs(d) < tiny {
			d = tiny
		}
		c = b + an/c
		if math.Abs(c) < tiny {
			c = tiny
		}
		d = 1 / d
		step := d * c
		h *= step
		if math.Abs(step-1) < 1e-16 {
			break
		}
	}
	return front * h
}
