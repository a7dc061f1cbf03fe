package diff

import (
	"math"

	"midwatch/profiles/tree"
)

// leastSamples is how many samples a function needs on both sides together
// before anything is said about it.
const leastSamples = 10

// rows sums up each function: by pod, then by side.
func (c *comparer) rows() {
	c.d.Rows = make([]Row, len(c.d.Frames))
	for i, f := range c.d.Frames {
		c.d.Rows[i] = Row{Frame: int32(i), Name: f.Name, File: f.File, P: 1}
	}
	for side := range c.sides {
		for _, p := range c.sides[side] {
			values := make([]Values, len(c.d.Frames))
			for _, r := range p.t.Top(tree.ByFlat) {
				v := &values[p.frames[r.Frame]]
				v.Flat += r.Flat
				v.Cum += r.Cum
			}
			c.perPod[side] = append(c.perPod[side], values)
			for i, v := range values {
				to := &c.d.Rows[i].Base
				if side == 1 {
					to = &c.d.Rows[i].New
				}
				to.Flat += v.Flat
				to.Cum += v.Cum
			}
		}
	}
	for i := range c.d.Rows {
		r := &c.d.Rows[i]
		r.BaseFlat, r.BaseCum = c.inMode(0, r.Base.Flat), c.inMode(0, r.Base.Cum)
		r.NewFlat, r.NewCum = c.inMode(1, r.New.Flat), c.inMode(1, r.New.Cum)
		r.Samples = c.samples(0, r.Base.Cum) + c.samples(1, r.New.Cum)
	}
}

// InMode converts a side's value into the unit of the mode: per cent of the
// side, cores per pod, per request, or per pod.
func (d *Diff) InMode(ofNew bool, v int64) float64 {
	t, requests := d.Base, d.requests[0]
	if ofNew {
		t, requests = d.New, d.requests[1]
	}
	switch d.Mode {
	case Share:
		return 100 * share(float64(v), float64(t.Value))
	case Cores:
		return share(float64(v), t.Seconds*1e9*float64(t.Pods))
	case PerRequest:
		return share(float64(v), requests)
	}
	return float64(v) / float64(t.Pods)
}

func (c *comparer) inMode(side int, v int64) float64 { return c.d.InMode(side == 1, v) }

// samples returns how many samples a side's value stands for.
func (c *comparer) samples(side int, v int64) float64 {
	t := c.d.Base
	if side == 1 {
		t = c.d.New
	}
	return t.Samples * share(math.Abs(float64(v)), math.Abs(float64(t.Value)))
}

// judge tests each function and keeps what survives the correction for
// looking at many.
func (c *comparer) judge() {
	by := c.factor()
	factor := by.factor
	c.shift = factor
	var tested []int
	var cum, flat []float64
	for i := range c.d.Rows {
		r := &c.d.Rows[i]
		if r.Samples < leastSamples {
			r.Verdict = TooFew
			continue
		}
		r.P = c.test(i, by, func(v Values) int64 { return v.Cum })
		tested = append(tested, i)
		cum = append(cum, r.P)
		flat = append(flat, c.test(i, by, func(v Values) int64 { return v.Flat }))
	}
	c.sig, c.flatSig = make([]bool, len(c.d.Rows)), make([]bool, len(c.d.Rows))
	cumFound, flatFound := benjaminiHochberg(cum, c.o.Rate), benjaminiHochberg(flat, c.o.Rate)
	for k, i := range tested {
		r := &c.d.Rows[i]
		c.flatSig[i] = flatFound[k] && c.large(r.NewFlat*factor-r.BaseFlat)
		change := r.NewCum*factor - r.BaseCum
		if !cumFound[k] || !c.large(change) {
			continue
		}
		c.sig[i] = true
		r.Verdict = Regression
		if change < 0 {
			r.Verdict = Improvement
		}
	}
}

// large reports whether a change is worth a word.
func (c *comparer) large(change float64) bool {
	least := c.o.Least
	if c.d.Mode != Share {
		least *= math.Max(c.inMode(0, c.d.Base.Value), c.inMode(1, c.d.New.Value)) / 100
	}
	return math.Abs(change) >= least
}

// podSpread is how much pods doing the same are taken to differ when they
// were not compared among each other, as a part of the value.
const podSpread = 0.05

// test returns the probability that a function did not change. Counts of
// samples give one answer; with three pods a side Welch's t over the pods
// gives another, and the more careful of both counts: three pods can agree by
// luck.
func (c *comparer) test(row int, by shift, of func(Values) int64) float64 {
	if c.onOneSide(row) {
		return c.byCounts(row, shift{factor: by.factor}, podSpread, of) // no factor makes something of nothing
	}
	if !c.d.Variance {
		return c.byCounts(row, by, podSpread, of)
	}
	return math.Max(c.byCounts(row, by, 0, of), c.byPods(row, by, of))
}

// onOneSide reports a function that every pod of one side ran and none of the
// other: that pods differ among themselves does not explain it, however much
// they differ.
func (c *comparer) onOneSide(row int) bool {
	var ran [2]int
	for side := range c.sides {
		for k := range c.sides[side] {
			if c.perPod[side][k][row].Cum != 0 {
				ran[side]++
			}
		}
	}
	return ran[0] == 0 && ran[1] == len(c.sides[1]) || ran[1] == 0 && ran[0] == len(c.sides[0])
}

func (c *comparer) byPods(row int, by shift, of func(Values) int64) float64 {
	var groups [2][]float64
	for side := range groups {
		for k, p := range c.sides[side] {
			v := float64(of(c.perPod[side][k][row]))
			switch c.d.Mode {
			case Share:
				v = share(v, p.total)
			case Cores:
				v = share(v, p.seconds)
			case PerRequest:
				v = share(v, c.d.requests[side]/float64(len(c.sides[side])))
			}
			if side == 1 {
				v *= by.factor
			}
			groups[side] = append(groups[side], v)
		}
	}
	return welch(groups[0], groups[1], by.variance)
}

func (c *comparer) byCounts(row int, by shift, spread float64, of func(Values) int64) float64 {
	r := &c.d.Rows[row]
	k1, k2 := c.samples(0, of(r.Base)), c.samples(1, of(r.New))
	switch c.d.Mode {
	case Share:
		return twoProportions(k1, c.d.Base.Samples, k2, c.d.New.Samples, by, spread)
	case Cores:
		return twoRates(k1, c.d.Base.Seconds*float64(c.d.Base.Pods), k2, c.d.New.Seconds*float64(c.d.New.Pods), spread)
	case PerRequest:
		return twoRates(k1, c.d.requests[0], k2, c.d.requests[1], spread)
	}
	return twoRates(k1, float64(c.d.Base.Pods), k2, float64(c.d.New.Pods), spread)
}
