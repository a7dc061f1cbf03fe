package cli

import (
	"sync"

	"midwatch/k8s"
	"midwatch/live"
)

const (
	// detailedAtMost bounds the workloads whose details are read for one
	// report; detailedAtOnce how many of them side by side.
	detailedAtMost = 25
	detailedAtOnce = 4
)

// detailed reads something of the workloads in trouble, or of those asked for
// by name: a few side by side, and only so many.
func detailed(workloads []*k8s.Workload, byName bool, read func(i int, w *k8s.Workload)) {
	var picked []int
	for i, w := range workloads {
		if (byName || w.Verdict.Severity == live.Fail || w.Verdict.Severity == live.Warn) && w.Selector != "" && len(picked) < detailedAtMost {
			picked = append(picked, i)
		}
	}
	sideBySide(len(picked), func(n int) { read(picked[n], workloads[picked[n]]) })
}

// sideBySide calls f for 0 to n-1, a few at a time, and waits for all.
func sideBySide(n int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, detailedAtOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}
