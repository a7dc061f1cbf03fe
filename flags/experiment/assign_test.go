package experiment

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func checkout(traffic float64) Definition {
	return Definition{Name: "checkout-flow", Variants: []string{"control", "variant_a", "variant_b"}, Traffic: traffic}
}

// TestPublishedVectors are answers that the recipe gave in Python.
func TestPublishedVectors(t *testing.T) {
	x := Definition{Name: "x", Variants: []string{"a", "b"}, Traffic: 1}
	for _, c := range []struct {
		d        Definition
		user     string
		bucket   int // -1: not published
		admitted bool
		variant  string
	}{
		{checkout(.5), "user-1", 4048, true, "variant_b"},
		{checkout(.5), "user-2", 1614, true, "control"},
		{checkout(.5), "user-42", 3970, true, "control"},
		{checkout(.5), "alice@example.com", 8492, false, "control"},
		{checkout(.5), "", 7164, false, "control"},
		{checkout(.5), "None", 114, true, "variant_a"}, // user_id=None in Python
		{checkout(.5), "ünï", 2332, true, "variant_a"},
		{checkout(.1), "u820", 1000, true, "variant_a"}, // the bucket that equals the traffic is in
		{checkout(.1), "u586", 1001, false, "control"},
		{checkout(0), "u11810", 0, true, "variant_a"}, // traffic 0 is no kill switch
		{checkout(-1), "u11810", 0, false, "control"}, // -1 is
		{x, "user-1", -1, true, "a"},
		{x, "user-42", -1, true, "b"},
		{x, "ünï", -1, true, "b"},
	} {
		got, err := c.d.Assign(c.user)
		if err != nil || got.Admitted != c.admitted || got.Variant != c.variant || c.bucket >= 0 && got.Bucket != c.bucket {
			t.Errorf("%s at %v, user %q: got %+v, %v; want bucket %d, admitted %v, %s", c.d.Name, c.d.Traffic, c.user, got, err, c.bucket, c.admitted, c.variant)
		}
	}
}

func TestNoVariantsFailsAsTheApplicationDoes(t *testing.T) {
	d := Definition{Name: "checkout-flow", Traffic: .5}
	if a, err := d.Assign("alice@example.com"); err != nil || a.Variant != Control {
		t.Errorf("outside: %+v, %v", a, err)
	}
	if _, err := d.Assign("user-1"); !errors.Is(err, ErrNoVariants) {
		t.Errorf("inside: %v", err)
	}
}

// pairs is how many generated experiments and users are compared.
const pairs = 1_000_000

// TestAgreesWithPython compares a million generated pairs with the recipe run
// by Python. Traffic values sit on, beside and between the buckets.
func TestAgreesWithPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is not on this machine: install it, the recipe itself is the oracle of this test")
	}
	ctx := t.Context()
	cmd := exec.CommandContext(ctx, python, "testdata/assign.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fed := make(chan error, 1)
	go func() { fed <- feed(in, rand.New(rand.NewPCG(1, 2))) }()
	again := rand.New(rand.NewPCG(1, 2))
	answers := bufio.NewScanner(out)
	var wrong, n int
	for n = 0; n < pairs && answers.Scan(); n++ {
		d, user := generate(again)
		got, err := d.Assign(user)
		if mine := fmt.Sprintf("%d\t%s", got.Bucket, got.Variant); err != nil || mine != answers.Text() {
			t.Errorf("pair %d, %+v, user %q: ours %q, Python's %q (%v)", n, d, user, mine, answers.Text(), err)
			if wrong++; wrong == 10 {
				t.Fatal("and so on")
			}
		}
	}
	if err := errors.Join(answers.Err(), <-fed); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || n != pairs {
		t.Fatalf("Python answered %d of %d pairs: %v\n%s", n, pairs, err, &stderr)
	}
}

func feed(in io.WriteCloser, r *rand.Rand) error {
	w := bufio.NewWriterSize(in, 1<<16)
	for range pairs {
		d, user := generate(r)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.Name, strings.Join(d.Variants, ","), strconv.FormatFloat(d.Traffic, 'g', -1, 64), user)
	}
	return errors.Join(w.Flush(), in.Close())
}

func generate(r *rand.Rand) (Definition, string) {
	names := []string{"checkout-flow", "search ranking", "größe", "a:b", "x", "実験"}
	users := []string{"user-%d", "%d", "u%d@example.com", "ünï-%d", "None%d", " %d "}
	d := Definition{Name: names[r.IntN(len(names))] + strconv.Itoa(r.IntN(50))}
	for i := range 1 + r.IntN(12) {
		d.Variants = append(d.Variants, "v"+strconv.Itoa(i))
	}
	k := float64(r.IntN(Buckets+1)) / Buckets
	switch r.IntN(8) {
	case 0:
		d.Traffic = k
	case 1:
		d.Traffic = math.Nextafter(k, 2)
	case 2:
		d.Traffic = math.Nextafter(k, -2)
	case 3:
		d.Traffic = []float64{0, 1, -1, 50, 0.1, 0.5, math.Inf(1), math.Inf(-1)}[r.IntN(8)]
	default:
		d.Traffic = r.Float64()
	}
	return d, fmt.Sprintf(users[r.IntN(len(users))], r.Uint64N(1<<40))
}

func TestAdmittedBuckets(t *testing.T) {
	for traffic, want := range map[float64]int{
		-1: 0, math.Inf(-1): 0, -1e-9: 0, 0: 1, .00005: 1, .001: 11, .01: 101, .1: 1001, .5: 5001,
		.9998: 9999, .9999: 10000, 1: 10000, 50: 10000,
	} {
		if got := checkout(traffic).Admitted(); got != want {
			t.Errorf("traffic %g admits %d buckets, want %d", traffic, got, want)
		}
	}
	if got := checkout(math.NaN()).Admitted(); got != Buckets {
		t.Errorf("NaN admits %d", got)
	}
}

// TestSharesAreExact compares with the published table and with a count over
// users.
func TestSharesAreExact(t *testing.T) {
	two := Definition{Name: "t", Variants: []string{"a", "b"}, Traffic: .001}
	near(t, "a's share of those in at 0.001", two.Shares()[0].Inside, 6.0/11)
	four := Definition{Name: "t", Variants: []string{"a", "b", "c", "d"}, Traffic: .001}
	near(t, "d's share", four.Shares()[3].Inside, 2.0/11)
	three := checkout(.1)
	near(t, "control overall at 0.1, n=3", three.Shares()[0].Overall, 1-.1001+.1001/3)
	if s := two.Shares(); len(s) != 3 || s[2].Variant != Control || s[2].Arm {
		t.Errorf("users outside are recorded as control, which is no arm: %+v", s)
	}
	const users = 200_000
	got := map[string]int{}
	d := Definition{Name: "count", Variants: []string{"control", "b"}, Traffic: .001}
	inside := 0
	for i := range users {
		a, err := d.Assign(strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		got[a.Variant]++
		if a.Admitted {
			inside++
		}
	}
	for _, s := range d.Shares() {
		sigma := math.Sqrt(users * s.Overall * (1 - s.Overall))
		if off := math.Abs(float64(got[s.Variant]) - users*s.Overall); off > 5*sigma {
			t.Errorf("%s: %d users, expected %.1f ± %.1f", s.Variant, got[s.Variant], users*s.Overall, sigma)
		}
	}
	sum := 0.0
	for _, s := range (Definition{Name: "x", Variants: []string{"a", "b", "a", "c", "d", "e", "f"}, Traffic: .37}).Shares() {
		sum += s.Overall
	}
	near(t, "the sum of all shares", sum, 1)
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestLints(t *testing.T) {
	ab := []string{"a", "b"}
	for name, c := range map[string]struct {
		d    Definition
		want []Pitfall
	}{
		"healthy":                  {Definition{Name: "x", Variants: ab, Traffic: 1}, nil},
		"zero":                     {Definition{Name: "x", Variants: []string{"a", "b", "c"}, Traffic: 0}, []Pitfall{ZeroIsNoKill, ExtraArm}},
		"killed":                   {Definition{Name: "x", Variants: ab, Traffic: -1}, []Pitfall{Off}},
		"percent":                  {Definition{Name: "x", Variants: ab, Traffic: 50}, []Pitfall{PercentTyped}},
		"nan":                      {Definition{Name: "x", Variants: ab, Traffic: math.NaN()}, []Pitfall{NotANumber}},
		"contaminated":             {checkout(.1), []Pitfall{Contaminated}},
		"correlated":               {Definition{Name: "x", Variants: []string{"control", "b"}, Traffic: .001}, []Pitfall{Contaminated, Correlated}},
		"three arms are free":      {checkout(.001), []Pitfall{Contaminated}},
		"no variants":              {Definition{Name: "x", Traffic: .5}, []Pitfall{NoVariants}},
		"one arm":                  {Definition{Name: "x", Variants: []string{"a"}, Traffic: 1}, []Pitfall{OneArm}},
		"an arm twice and a colon": {Definition{Name: "a:b", Variants: []string{"a", "b", "a"}, Traffic: 1}, []Pitfall{Repeated, Ambiguous}},
	} {
		var got []Pitfall
		for _, l := range c.d.Lint() {
			got = append(got, l.Pitfall)
			if l.Text == "" || strings.Contains(l.Text, "%!") {
				t.Errorf("%s: %q says %q", name, l.Pitfall, l.Text)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
