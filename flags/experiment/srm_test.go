package experiment

import (
	"fmt"
	"math"
	"testing"
)

func arms(users ...int) []Arm {
	out := make([]Arm, len(users))
	for i, n := range users {
		out[i] = Arm{Variant: fmt.Sprint("v", i), Users: n}
	}
	return out
}

func TestSampleRatio(t *testing.T) {
	for _, c := range []struct {
		users   []int
		weights []float64
		chi2, p float64
		health  Health
	}{
		{[]int{5300, 4700}, []float64{1, 1}, 36, 1.973e-9, Mismatch},
		{[]int{5100, 4900}, []float64{1, 1}, 4, .0455, Balanced},
		{[]int{1000, 950, 1050}, []float64{1, 1, 1}, 5, .0821, Balanced},
		{[]int{9500, 500}, []float64{.95, .05}, 0, 1, Balanced},
		{[]int{5, 7}, []float64{1, 1}, .3333, 1, TooFew},
		{[]int{10_000, 0}, []float64{1, 0}, 0, 1, Untestable},
		{[]int{10_000, 9}, []float64{1, 0}, 0, 1, Mismatch}, // nobody should be there
	} {
		got := TestSplit(arms(c.users...), c.weights)
		if got.Health != c.health || math.Abs(got.Chi2-c.chi2) > 1e-3 || math.Abs(got.P-c.p)/c.p > 2e-3 {
			t.Errorf("%v: χ² %v, p %v, %s; want %v, %v, %s", c.users, got.Chi2, got.P, got.Health, c.chi2, c.p, c.health)
		}
	}
}

// TestTailHasTheClosedForms: p is erfc(√(x/2)) for one degree of freedom and
// exp(-x/2) for two.
func TestTailHasTheClosedForms(t *testing.T) {
	for x := .01; x < 120; x *= 1.3 {
		for freedom, want := range map[int]float64{1: math.Erfc(math.Sqrt(x / 2)), 2: math.Exp(-x / 2), 4: math.Exp(-x/2) * (1 + x/2)} {
			if got := ChiSquareTail(x, freedom); math.Abs(got-want) > 1e-12*want+1e-300 && math.Abs(got-want)/want > 1e-9 {
				t.Errorf("x %v, %d degrees: %v, want %v", x, freedom, got, want)
			}
		}
	}
	for _, x := range []float64{0, -1, math.NaN()} {
		if got := ChiSquareTail(x, 3); got != 1 {
			t.Errorf("x %v: %v", x, got)
		}
	}
}

// TestAHealthyRunIsNotAnAlarm: at traffic 0.1 with two arms a healthy run
// records 95 % as control, and that is what it has to be tested against.
func TestAHealthyRunIsNotAnAlarm(t *testing.T) {
	d := Definition{Name: "x", Variants: []string{"control", "b"}, Traffic: .1}
	if got := d.Split(map[string]int{"control": 9500, "b": 500}); got.Health != Balanced {
		t.Errorf("%+v", got)
	}
	if got := d.Split(map[string]int{"control": 5000, "b": 5000}); got.Health != Mismatch {
		t.Errorf("%+v", got)
	}
	if got := d.Split(map[string]int{"control": 9500, "b": 500, "c": 40}); got.Health != Mismatch || got.Strange != 40 {
		t.Errorf("users of a variant that is none: %+v", got)
	}
}
