package experiment

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// Bounds of a [Counter].
const (
	// MostUsers is how many users of one experiment are kept apart. With more,
	// half of them are let go and every second user is no longer looked at:
	// an unbiased sample, which the sample-ratio test holds for as well.
	MostUsers = 1 << 17
	// MostExperiments is how many experiments are counted.
	MostExperiments = 64
	// mostLabels is how many variants of one experiment are told apart.
	mostLabels = 32
)

// Counter counts exposures by unique user. It keeps hashes of the users' keys
// and no keys. It is not safe for concurrent use.
type Counter struct {
	most    int
	defs    map[string]Definition
	tallies map[string]*tally
	// Dropped are exposures of experiments beyond [MostExperiments].
	Dropped int
}

type tally struct {
	users       map[uint64]seen
	labels      []string
	limit       uint64 // users whose hash is above it are not looked at
	lines       int
	first, last time.Time
}

// seen is what is remembered of one user.
type seen struct {
	label   uint8
	several bool // was given more than one variant
	differs bool // was given another one than the definition says
}

// NewCounter counts; what users were given is compared with the definitions.
func NewCounter(defs ...Definition) *Counter {
	c := &Counter{most: MostUsers, defs: map[string]Definition{}, tallies: map[string]*tally{}}
	for _, d := range defs {
		c.defs[d.Name] = d
	}
	return c
}

// Add counts one exposure.
func (c *Counter) Add(e Exposure) {
	t := c.tallies[e.Experiment]
	if t == nil {
		if len(c.tallies) >= MostExperiments {
			c.Dropped++
			return
		}
		t = &tally{users: map[uint64]seen{}, limit: math.MaxUint64, first: e.At}
		c.tallies[e.Experiment] = t
	}
	t.lines++
	if e.At.Before(t.first) || t.first.IsZero() {
		t.first = e.At
	}
	if e.At.After(t.last) {
		t.last = e.At
	}
	key := userHash(e.User)
	if key > t.limit {
		return
	}
	label := t.label(e.Variant)
	s, known := t.users[key]
	switch {
	case !known:
		s = seen{label: label}
	case s.label != label:
		s.several = true
	}
	if d, ok := c.defs[e.Experiment]; ok {
		if a, err := d.Assign(e.User); err == nil && a.Variant != e.Variant {
			s.differs = true
		}
	}
	t.users[key] = s
	for len(t.users) > c.most {
		t.limit /= 2
		for k := range t.users {
			if k > t.limit {
				delete(t.users, k)
			}
		}
	}
}

// label is the number of a variant; the last one stands for all further ones.
func (t *tally) label(variant string) uint8 {
	i := slices.Index(t.labels, variant)
	switch {
	case i >= 0:
		return uint8(i)
	case len(t.labels) == mostLabels:
		return mostLabels - 1
	case len(t.labels) == mostLabels-1:
		variant = "(others)"
	}
	t.labels = append(t.labels, variant)
	return uint8(len(t.labels) - 1)
}

// userHash has nothing in common with the assignment's hash, so that a sample
// by it does not favour a variant.
func userHash(user string) uint64 {
	sum := sha256.Sum256([]byte("exposure\x00" + user))
	return binary.BigEndian.Uint64(sum[:])
}

// Exposures is what was counted of one experiment.
type Exposures struct {
	Experiment string `json:"experiment"`
	// Lines are log lines, Users unique users; both of what was read.
	Lines int `json:"lines"`
	Users int `json:"users"`
	// ByVariant counts unique users who were given one variant only.
	ByVariant map[string]int `json:"byVariant"`
	// Several are users who were given more than one variant; from one in a
	// hundred on the assignment is not sticky (GrowthBook's threshold).
	Several int `json:"several"`
	// Differ are users who were given another variant than the definition
	// says: the pods run another definition, or it changed meanwhile.
	Differ int `json:"differ"`
	// Sampled is which part of the users is kept: 1, or less of very many.
	Sampled float64 `json:"sampled"`
	// First and Last are when, by the nodes' clocks.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
}

// Result is what was counted, by the experiment's name.
func (c *Counter) Result() []Exposures {
	out := make([]Exposures, 0, len(c.tallies))
	for name, t := range c.tallies {
		e := Exposures{
			Experiment: name, Lines: t.lines, Users: len(t.users), ByVariant: map[string]int{},
			Sampled: float64(t.limit) / math.MaxUint64, First: t.first, Last: t.last,
		}
		for _, s := range t.users {
			if s.several {
				e.Several++
			} else {
				e.ByVariant[t.labels[s.label]]++
			}
			if s.differs {
				e.Differ++
			}
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Exposures) int {
		if a.Experiment < b.Experiment {
			return -1
		}
		return 1
	})
	return out
}
