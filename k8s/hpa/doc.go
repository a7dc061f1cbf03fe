// Package hpa says why a HorizontalPodAutoscaler wants the replicas it wants:
// the same arithmetic as kube-controller-manager does, one named step at a
// time, with the numbers that went in and came out.
//
// The rules are those of kubernetes v1.37 pkg/controller/podautoscaler:
// replica_calculator.go (from pods and metrics to a proposal, one per metric),
// horizontal.go (the largest proposal, the stabilisation window, the rate
// policies, minimum and maximum) and metrics/utilization.go (whole percents,
// integer averages). All values are in thousandths, as there.
//
// It is pure: objects, metric values, what was seen before, and the time in;
// an [Explanation] out. What the controller knows and nobody outside it can
// read (its flags, the recommendations it remembers) is assumed, and listed
// with its effect in [Explanation.Unknown].
//
//	input.go       what goes in
//	result.go      what comes out
//	group.go       pods into ready, not ready, without metric, ignored
//	requests.go    what pods ask for, which utilisation is measured against
//	calculate.go   one metric's proposal from its pods' values
//	metric.go      the five kinds of metric, from live values or from status
//	propose.go     the largest proposal; metrics that fail
//	normalise.go   stabilisation, rate policies, minimum and maximum
//	behaviour.go   spec.behavior with its defaults
//	history.go     what was recommended and scaled before, as far as is known
//	explain.go     all of it, and the sentence
//	forecast.go    where this load leads to, and when
//	conditions.go  the controller's conditions as sentences
//	words.go       numbers and units in text
package hpa
