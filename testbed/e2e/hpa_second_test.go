//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"midwatch/k8s/hpa"
)

// secondCase is an autoscaler that was content, until its load changed.
type secondCase struct {
	hpaCase
	ratio float64 // of the load from then on
}

// secondCases are decisions that depend on what was recommended and scaled
// before: windows, and policies whose period is not over.
func secondCases() []secondCase {
	rules := func(window int32, choice autoscalingv2.ScalingPolicySelect, policies ...autoscalingv2.HPAScalingPolicy) *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To(window), SelectPolicy: ptr.To(choice), Policies: policies}
	}
	percent := func(n int32) autoscalingv2.HPAScalingPolicy {
		return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: n, PeriodSeconds: 900}
	}
	pods := func(n int32) autoscalingv2.HPAScalingPolicy {
		return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: n, PeriodSeconds: 900}
	}
	const most, least, none = autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect
	free := rules(0, most, percent(1000))
	var out []secondCase
	add := func(current int32, ratio float64, up, down *autoscalingv2.HPAScalingRules) {
		c := secondCase{ratio: ratio}
		c.hpaCase = hpaCase{name: fmt.Sprintf("second-%02d", len(out)), current: current, min: 1, max: 20, loads: []hpaLoad{{kind: podsMetric, ratio: 1}}}
		if up != nil || down != nil {
			c.behaviour = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: up, ScaleDown: down}
		}
		out = append(out, c)
	}
	add(8, 0.2, free, rules(0, most, percent(25)))           // 6, and no further
	add(8, 0.2, free, rules(0, most, pods(1)))               // 7
	add(8, 0.2, free, rules(0, least, percent(50), pods(1))) // the least change: 7
	add(8, 0.2, free, rules(600, most, percent(100)))        // held
	add(8, 0.2, free, rules(0, none))                        // never down
	add(8, 0.2, nil, nil)                                    // held by the controller's own window
	add(3, 5, rules(0, most, percent(100), pods(4)), free)   // 7
	add(3, 5, rules(0, least, percent(100), pods(4)), free)  // 6
	add(3, 5, rules(600, most, percent(1000)), free)         // held
	add(3, 5, rules(0, none), free)                          // never up
	return out
}

// TestSecondDecisionsArePredictedFromWhatWasSeen lets autoscalers be content
// for two looks, changes the load, and predicts the next decision and the one
// after it, within the policies' period, from the history that was seen.
func TestSecondDecisionsArePredictedFromWhatWasSeen(t *testing.T) {
	second := secondCases()
	cases := make([]hpaCase, len(second))
	for i := range second {
		cases[i] = second[i].hpaCase
	}
	p := newProof(t, "scaling-again", cases)
	p.each(cases, p.deploy)
	p.each(cases, p.settle)
	p.wait(3 * time.Second)
	histories := make([]hpa.History, len(cases))
	decided := p.watch()
	p.each(cases, func(ctx context.Context, c *hpaCase) error {
		i := indexOf(cases, c)
		histories[i].Recommend(time.Now(), int(c.current))
		return p.predict(ctx, c)
	})
	p.each(cases, func(ctx context.Context, c *hpaCase) error { return p.compare(ctx, c, decided) })
	for round := range 2 {
		p.each(cases, func(ctx context.Context, c *hpaCase) error {
			i := indexOf(cases, c)
			if err := p.again(ctx, c, second[i].ratio, &histories[i]); err != nil {
				return fmt.Errorf("round %d: %w", round+2, err)
			}
			return nil
		})
	}
}

func indexOf(cases []hpaCase, c *hpaCase) int {
	for i := range cases {
		if &cases[i] == c {
			return i
		}
	}
	return -1
}

// again gives the workload its new load, predicts, and waits for what the
// controller makes of it.
func (p *proof) again(ctx context.Context, c *hpaCase, ratio float64, history *hpa.History) error {
	pods, err := p.pods(ctx, c, ready)
	if err != nil {
		return err
	}
	scalers := p.c.typed.AutoscalingV2().HorizontalPodAutoscalers(p.namespace)
	h, err := scalers.Get(ctx, c.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	// Scale and pods from before the load changes, values from after: the
	// controller may look in between.
	before := p.reader.Gather(ctx, h)
	changed := *c
	changed.loads = []hpaLoad{{kind: podsMetric, ratio: ratio}}
	at := time.Now()
	if err := changed.load(shared.bed.Metrics, pods); err != nil {
		return err
	}
	in := p.reader.Gather(ctx, h)
	in.Pods, in.Scale, in.History, in.Now = before.Pods, before.Scale, *history, time.Now()
	e := hpa.Explain(in)
	if e.Outcome != hpa.Scales && e.Outcome != hpa.Stays {
		return fmt.Errorf("cannot be predicted: %s: %+v", e.Summary, e.Metrics)
	}
	history.Recommend(at, e.Recommended)
	history.Changed(time.Now(), e.Desired-e.Current)
	return p.settlesAt(ctx, c, e)
}

// looks is how long the controller takes for two looks, and some more.
const looks = 12 * time.Second

// settlesAt waits until the controller has done what was predicted, and then
// for two more looks that it leaves it at that.
func (p *proof) settlesAt(ctx context.Context, c *hpaCase, e *hpa.Explanation) error {
	var got *autoscalingv2.HorizontalPodAutoscaler
	check := func(ctx context.Context) error {
		var err error
		if got, err = p.c.typed.AutoscalingV2().HorizontalPodAutoscalers(p.namespace).Get(ctx, c.name, metav1.GetOptions{}); err != nil {
			return err
		}
		d, err := p.c.typed.AppsV1().Deployments(p.namespace).Get(ctx, c.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if n := int(*d.Spec.Replicas); n != e.Desired {
			return fmt.Errorf("it has %d replicas, not %d", n, e.Desired)
		}
		if e.Desired == e.Current {
			return stays(got, e)
		}
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := shared.bed.Wait(wait, check); err != nil {
		raw, _ := json.Marshal(got.Status)
		return fmt.Errorf("%w\n  said: %s\n  steps: %+v\n  status: %s", err, e.Summary, e.Steps, raw)
	}
	begun := time.Now()
	return shared.bed.Wait(ctx, func(ctx context.Context) error {
		if err := check(ctx); err != nil {
			p.t.Errorf("%s: did not stay at %d: %v", c.name, e.Desired, err)
			return nil
		}
		if time.Since(begun) < looks {
			return errors.New("it may still look again")
		}
		return nil
	})
}

// stays compares the reasons for not moving.
func stays(got *autoscalingv2.HorizontalPodAutoscaler, e *hpa.Explanation) error {
	for kind, want := range map[autoscalingv2.HorizontalPodAutoscalerConditionType]string{
		autoscalingv2.AbleToScale: e.Predicted.AbleToScale, autoscalingv2.ScalingLimited: e.Predicted.ScalingLimited,
	} {
		for _, c := range got.Status.Conditions {
			if c.Type == kind && c.Reason != want && c.Status != corev1.ConditionUnknown {
				return fmt.Errorf("%s is %q, not %q", kind, c.Reason, want)
			}
		}
	}
	return nil
}
