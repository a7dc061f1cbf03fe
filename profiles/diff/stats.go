package diff

import (
	"math"
	"slices"
)

// normalTail returns the two-sided probability of |Z| >= |z|.
func normalTail(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// twoProportions tests whether two proportions differ, with separate
// variances: k1 of n1 samples against k2 of n2, the second proportion and its
// error being scaled by a factor that has an error of its own. spread is what each side may differ by
// besides chance, as a part of its value. It returns the two-sided p-value.
func twoProportions(k1, n1, k2, n2 float64, by shift, spread float64) float64 {
	return normalTail(stdErrors(k1, n1, k2, n2, by, spread))
}

// stdErrors is by how many standard errors the proportions differ.
func stdErrors(k1, n1, k2, n2 float64, by shift, spread float64) float64 {
	if n1 <= 0 || n2 <= 0 {
		return 0
	}
	factor := by.factor
	// Half a sample is added on each side, so that none of few is not
	// certainty (Agresti and Caffo's adjustment, halved).
	p1, p2 := (k1+0.5)/(n1+1), (k2+0.5)/(n2+1)
	variance := p1*(1-p1)/n1 + factor*factor*p2*(1-p2)/n2
	variance += spread*spread*(p1*p1+factor*factor*p2*p2) + by.variance*factor*factor*p2*p2
	if variance <= 0 {
		return 0
	}
	return math.Abs(p2*factor-p1) / math.Sqrt(variance)
}

// twoRates tests whether two Poisson rates differ: k1 events in exposure t1
// against k2 in t2, with a spread as in twoProportions.
func twoRates(k1, t1, k2, t2, spread float64) float64 {
	if t1 <= 0 || t2 <= 0 {
		return 1
	}
	variance := (k1+0.5)/(t1*t1) + (k2+0.5)/(t2*t2)
	variance += spread * spread * (k1*k1/(t1*t1) + k2*k2/(t2*t2))
	return normalTail((k2/t2 - k1/t1) / math.Sqrt(variance))
}

// welch tests whether the means of two groups differ when their variances
// may (Welch's t). The second group was scaled by a factor with that variance,
// as a part of its square: an error that all of it shares. It returns the
// two-sided p-value.
func welch(a, b []float64, scaled float64) float64 {
	na, nb := float64(len(a)), float64(len(b))
	if na < 2 || nb < 2 {
		return 1
	}
	ma, va := moments(a)
	mb, vb := moments(b)
	sa, sb := va/na, vb/nb
	if sa+sb == 0 {
		if ma == mb {
			return 1
		}
		return 0
	}
	t := (mb - ma) / math.Sqrt(sa+sb+scaled*mb*mb)
	df := (sa + sb) * (sa + sb) / (sa*sa/(na-1) + sb*sb/(nb-1))
	return studentTail(t, df)
}

// moments returns mean and unbiased variance.
func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(x)-1)
}

// studentTail returns the two-sided probability of |T| >= |t| with df degrees
// of freedom: the regularised incomplete beta function at df/(df+t²).
func studentTail(t, df float64) float64 {
	if math.IsNaN(t) || df <= 0 {
		return 1
	}
	return incompleteBeta(df/(df+t*t), df/2, 0.5)
}

// incompleteBeta is the regularised I_x(a, b), by its continued fraction
// (modified Lentz; Numerical Recipes 6.4).
func incompleteBeta(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log(1-x))
	if x < (a+1)/(a+b+2) {
		return front * betaFraction(x, a, b) / a
	}
	return 1 - front*betaFraction(1-x, b, a)/b
}

func betaFraction(x, a, b float64) float64 {
	const tiny = 1e-300
	keep := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/keep(1-(a+b)*x/(a+1))
	h := d
	for m := 1.0; m < 300; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / keep(1+even*d)
		c = keep(1 + even/c)
		h *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / keep(1+odd*d)
		c = keep(1 + odd/c)
		step := d * c
		h *= step
		if math.Abs(step-1) < 1e-12 {
			break
		}
	}
	return h
}

// benjaminiHochberg returns which of the p-values are discoveries at a false
// discovery rate.
func benjaminiHochberg(p []float64, rate float64) []bool {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return a - b
	})
	last := -1
	for rank, i := range order {
		if p[i] <= rate*float64(rank+1)/float64(len(p)) {
			last = rank
		}
	}
	found := make([]bool, len(p))
	for rank := 0; rank <= last; rank++ {
		found[order[rank]] = true
	}
	return found
}

// weightedMedian returns the median of values by weight, or 1 when there are
// none.
func weightedMedian(values, weights []float64) float64 {
	order := make([]int, len(values))
	total := 0.0
	for i := range order {
		order[i] = i
		total += weights[i]
	}
	if total <= 0 {
		return 1
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return a - b
	})
	sum := 0.0
	for _, i := range order {
		if sum += weights[i]; sum >= total/2 {
			return values[i]
		}
	}
	return 1
}

// Detectable returns the smallest change, in points of share, of a function
// with the given share (0 to 1) that a comparison of so many samples a side
// would show: 95 % confidence, 80 % power, two proportions.
func Detectable(share float64, base, other int64) float64 {
	if base <= 0 || other <= 0 {
		return 100
	}
	const z = 1.959964 + 0.841621
	return math.Min(100, 100*z*math.Sqrt(share*(1-share)*(1/float64(base)+1/float64(other))))
}

// CPUSamples returns how many samples a CPU profile of Go will hold: 100 a
// second for each busy core.
func CPUSamples(cores, seconds float64, pods int) int64 {
	return int64(math.Round(100 * cores * seconds * float64(pods)))
}
