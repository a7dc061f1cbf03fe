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
)

// Once looks at the autoscaler of every workload that has one, and returns the
// explanations by the workload's [k8s.Ref.Key]. A look that fails, or is not
// done in time, is left out: what the board knows of the autoscaler stays.
func (r *Reader) Once(ctx context.Context, workloads []*k8s.Workload) map[string]*hpa.Explanation {
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
				v, err := r.Read(ctx, ref)
				if err != nil {
					continue
				}
				mu.Lock()
				out[ref.Key()] = v.Explanation
				mu.Unlock()
			}
		})
	}
	for _, w := range workloads {
		if w.HPA != nil && ctx.Err() == nil {
			jobs <- w.Ref
		}
	}
	close(jobs)
	wg.Wait()
	return out
}
