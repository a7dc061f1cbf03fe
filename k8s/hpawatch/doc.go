// Package hpawatch reads what an autoscaler decides by, and has package hpa
// explain it: the autoscaler, its target's scale, the target's pods, and the
// metrics APIs (metrics.k8s.io, custom.metrics.k8s.io, external.metrics.k8s.io)
// through the API server.
//
// Metrics are the one thing here that cannot be watched. They are read for the
// one autoscaler somebody looks at, no more often than the controller does (15
// seconds), and not at all while nobody looks; `midwatch status` reads them
// once. Requests are few, bounded in time and in size.
//
//	reader.go   one look at one autoscaler
//	scale.go    the target's scale subresource, or the target itself
//	metrics.go  the three metrics APIs
//	refusal.go  an API's error in words, and whether the controller has it too
//	past.go     what was seen before
//	source.go   the hub's topic: looks again while somebody watches
//	once.go     one look at many, for the command line
package hpawatch
