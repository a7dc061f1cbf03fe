package experiment

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sort"

	"midwatch/foreign"
)

// Buckets is how finely traffic can be split: 0.01 %.
const Buckets = 10000

// Control is what everyone outside the experiment gets.
const Control = "control"

// Definition is one experiment as the application knows it.
type Definition struct {
	// Name is hashed together with the user: another name reshuffles everyone.
	Name string `json:"name"`
	// Variants are the arms in their order; the order decides who gets what.
	Variants []string `json:"variants"`
	// Traffic is the share of users let in, 0.0 to 1.0. The field is called
	// traffic_percent where this comes from, which invites typing 50.
	Traffic float64 `json:"traffic"`
	// Flag is the key of the feature flag that gates it; "" when none does.
	Flag string `json:"flag,omitempty"`
	// From says where the definition was read: "ConfigMap shop/experiments,
	// key checkout.yaml".
	From foreign.Text `json:"from,omitempty"`
}

// ErrNoVariants is what an experiment without arms answers: the application
// divides by zero for every user it lets in.
var ErrNoVariants = errors.New("the experiment has no variants: the application fails for every user it lets in")

// Assignment is what one user gets, and by which arithmetic.
type Assignment struct {
	Experiment string `json:"experiment"`
	User       string `json:"user"`
	// Bucket is the hash modulo [Buckets].
	Bucket int `json:"bucket"`
	// Admitted says whether the user is in the experiment. Someone outside
	// gets the literal "control" whether or not there is such an arm.
	Admitted bool `json:"admitted"`
	// Arm is the index into the variants, also for users outside.
	Arm     int    `json:"-"`
	Variant string `json:"variant"`
}

// Assign computes what the application gives a user.
func (d Definition) Assign(user string) (Assignment, error) {
	bucket, arm := hash(d.Name, user, max(1, len(d.Variants)))
	a := Assignment{Experiment: d.Name, User: user, Bucket: bucket, Arm: arm, Variant: Control}
	if outside(bucket, d.Traffic) {
		return a, nil
	}
	a.Admitted = true
	if len(d.Variants) == 0 {
		a.Variant = ""
		return a, fmt.Errorf("experiment %s: %w", d.Name, ErrNoVariants)
	}
	a.Variant = d.Variants[arm]
	return a, nil
}

// hash is the SHA-256 of "name:user", read as a big-endian number, modulo the
// buckets and modulo the number of arms.
func hash(name, user string, arms int) (bucket, arm int) {
	sum := sha256.Sum256([]byte(name + ":" + user))
	for _, b := range sum {
		bucket = (bucket*256 + int(b)) % Buckets
		arm = (arm*256 + int(b)) % arms
	}
	return bucket, arm
}

// outside is the comparison of the recipe. It is ">" on the same doubles as
// Python's, so the bucket that equals the traffic is still let in, and a NaN
// lets everyone in.
func outside(bucket int, traffic float64) bool { return float64(bucket)/Buckets > traffic }

// Admitted is how many of the [Buckets] are let in. It is one more than the
// traffic says, because of the ">": traffic 0 lets in one of ten thousand.
func (d Definition) Admitted() int {
	return sort.Search(Buckets, func(k int) bool { return outside(k, d.Traffic) })
}

// Share is what part of the users one variant's label gets.
type Share struct {
	Variant string `json:"variant"`
	// Inside is its part of the users in the experiment.
	Inside float64 `json:"inside"`
	// Overall is its part of all users. For "control" it includes those
	// outside, because they are given and recorded as "control" too.
	Overall float64 `json:"overall"`
	// Arm is false for the "control" of those outside when there is no such
	// arm.
	Arm bool `json:"arm"`
}

// Shares are the exact shares by label, in the order of the variants.
func (d Definition) Shares() []Share {
	n, m := len(d.Variants), d.Admitted()
	var out []Share
	at := map[string]int{}
	add := func(variant string, inside, overall float64, arm bool) {
		i, ok := at[variant]
		if !ok {
			i = len(out)
			at[variant] = i
			out = append(out, Share{Variant: variant})
		}
		out[i].Inside += inside
		out[i].Overall += overall
		out[i].Arm = out[i].Arm || arm
	}
	admitted := float64(m) / Buckets
	for i, v := range d.Variants {
		inside := armShare(i, n, m)
		add(v, inside, inside*admitted, true)
	}
	if m < Buckets {
		add(Control, 0, 1-admitted, false)
	}
	return out
}

// armShare is the part of the users in the m admitted buckets who get arm i of
// n. Both come from one number: with g = gcd(n, Buckets) the bucket fixes the
// arm modulo g, and the rest is free.
func armShare(i, n, m int) float64 {
	if m == 0 || n == 0 {
		return 0
	}
	g := gcd(n, Buckets)
	of := (m - i%g + g - 1) / g // buckets below m that leave i modulo g
	return float64(of) / float64(m) * float64(g) / float64(n)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
