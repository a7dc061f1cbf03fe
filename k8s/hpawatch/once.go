package hpawatch

import (
	"context"
	"sync"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/hpa"
)

const (
	// atOnce is how many autoscalers are looked at side by side.
	atOnce = 4
	// onceWithin bounds the looks of one command.
	onceWithin = 12 * time.Second
	// onceAtMost is how many are looked at for one command: a board of hundreds
	// is ranked, and its first are the ones in trouble.
	onceAtMost = 50
)

// Once looks at the autoscalers of workloads, the first [onceAtMost] that have
// one, and returns the explanations by the workload's [k8s.Ref.Key]. A look
// that fails, or is not done in time, is left out: what the board knows of the
// autoscaler stays.
func (s *Source) Once(ctx context.Context, workloads []*k8s.Workload) map[string]*hpa.Explanation {
	ctx, cancel := context.WithTimeout(ctx, onceWithin)
	defer cancel()
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		out  = map[string]*hpa.Explanation{}
		jobs = make(chan k8s.Ref)
	)
	for range atOnce {
		wg.Go(func() {
			for ref := range jobs {
				v, err := s.reader.Read(ctx, ref)
				if err != nil {
					continue
				}
				mu.Lock()
				out[ref.Key()] = v.Explanation
				mu.Unlock()
			}
		})
	}
	n := 0
	for _, w := range workloads {
		if w.HPA != nil && ctx.Err() == nil && n < onceAtMost {
			jobs <- w.Ref
			n++
		}
	}
	close(jobs)
	wg.Wait()
	return out
}
