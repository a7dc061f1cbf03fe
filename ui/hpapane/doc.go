// Package hpapane shows why the autoscaler of the selected workload wants what
// it wants: its metrics against their targets, the way from there to the
// number of replicas step by step, its conditions, and where that leads to.
//
//	pane.go     the pane: what it was told, what it asks for
//	lines.go    the outline it is drawn from
//	metrics.go  metrics against their targets
//	steps.go    the waterfall, the forecast, what cannot be known
//	past.go     sizes over time, and what the controller said
//	keys.go     its keys, and its writes
//	view.go     drawing, and what stands where there is nothing to draw
package hpapane
