package diff

import (
	"math"

	"midwatch/profiles/tree"
)

// factor is what the new side's shares are multiplied by before the test. A
// function that grew takes share from all others; without a correction they
// would all count as improved. Most work is taken to be unchanged, so the
// median ratio, weighted by share, is taken as the shift (the way counts of genes
// are normalised, DESeq's median of ratios).
//
// The ratios are of flat values under each function of one's own: what grew
// uses the same allocator as the rest, so that the allocator's flat value as a
// whole says nothing, but under what did not grow it does. Where samples are
// few, all that is under one function is taken together.
//
// The median is robust and wasteful: of a few hundred samples it is off by a
// tenth or more, enough for what did not change to look improved. So it only
// tells which groups kept their cost, and their sums give the factor. How
// uncertain that is enters every test.
func (c *comparer) factor() shift {
	none := shift{factor: 1}
	if c.d.Mode != Share {
		return none
	}
	var ratios, weights []float64
	groups := c.byOwner(true)
	if c.enough(groups) < leastGroups {
		groups = c.byOwner(false)
	}
	for _, v := range groups {
		base, now := c.inMode(0, v.Base.Flat), c.inMode(1, v.New.Flat)
		if c.counts(v) {
			ratios = append(ratios, base/now)
			weights = append(weights, math.Min(base, now))
		}
	}
	s := c.refine(groups, shift{factor: weightedMedian(ratios, weights)})
	// A shift within chance is no shift.
	if math.Abs(s.factor-1) < 0.02 {
		return none
	}
	return s
}

// shift is what the new side's shares are multiplied by, and the variance of
// that as a part of its square.
type shift struct{ factor, variance float64 }

// unchanged is how many standard errors a group may be off to be taken to have
// kept its cost.
const unchanged = 2

// refine adds up the groups that kept their cost by the factor so far, and
// looks again with the factor that gives.
func (c *comparer) refine(groups []Node, s shift) shift {
	for range 4 {
		var base, now, k1, k2 float64
		for _, v := range groups {
			b, n := c.samples(0, v.Base.Flat), c.samples(1, v.New.Flat)
			p1, p2 := share(b, c.d.Base.Samples), share(n, c.d.New.Samples)
			if !c.counts(v) || stdErrors(b, c.d.Base.Samples, n, c.d.New.Samples, s, podSpread) > unchanged {
				continue
			}
			base, now, k1, k2 = base+p1, now+p2, k1+b, k2+n
		}
		if k1 == 0 || k2 == 0 {
			return s
		}
		s = shift{factor: base / now, variance: 1/k1 + 1/k2}
	}
	return s
}

// leastGroups is how many ratios a median needs to mean something.
const leastGroups = 5

// counts reports whether a group has enough samples on both sides.
func (c *comparer) counts(v Node) bool {
	return v.Base.Flat > 0 && v.New.Flat > 0 && c.samples(0, v.Base.Flat)+c.samples(1, v.New.Flat) >= leastSamples
}

func (c *comparer) enough(groups []Node) int {
	n := 0
	for _, v := range groups {
		if c.counts(v) {
			n++
		}
	}
	return n
}

// byOwner adds up what is spent under each function of one's own, as far as no
// other one of one's own is below it, by function where fine; what has no
// owner counts for itself.
func (c *comparer) byOwner(fine bool) []Node {
	type group struct{ owner, frame int32 }
	owner := make([]int32, len(c.d.Nodes)) // frame, or -1
	place := map[group]int{}
	var sums []Node
	owner[0] = -1
	for i := 1; i < len(c.d.Nodes); i++ {
		n := &c.d.Nodes[i]
		owner[i] = owner[n.Parent]
		if tree.Own(c.d.Frames[n.Frame]) {
			owner[i] = n.Frame
		}
		key := group{owner[i], n.Frame}
		if !fine && owner[i] >= 0 {
			key.frame = -1
		}
		at, ok := place[key]
		if !ok {
			at = len(sums)
			place[key] = at
			sums = append(sums, Node{Frame: n.Frame})
		}
		sums[at].Base.Flat += n.Base.Flat
		sums[at].New.Flat += n.New.Flat
	}
	return sums
}
