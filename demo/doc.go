// Package demo is the embedded world behind `midwatch demo`: two small Kubernetes clusters in this process, reached through the same
// client code as real ones.
//
// A world is an API server (package apiserver) with controllers (package controllers) and a script of what was deployed when.
// Opening it plays the script from some weeks ago up to now on a fast-forwarded clock, so that everything in it (revisions,
// conditions, restart counts, events and their counts) came about the way it does in a cluster. After that, in live mode, one
// goroutine keeps the controllers going; what a client writes has its consequences over the next seconds.
//
// There is no network, no listener, no file; the same seed and the same clock give the same objects.
//
// The parts: world.go opens and drives, cluster.go replays, app.go builds workloads; shop.go, payments.go, platform.go and eu.go
// say what is deployed and what happened to it; behaviour.go says what the processes do, load.go how busy they are, logs.go what
// they write; flags.go which feature flags there are and who is served what, experiments.go who meets which experiment.
package demo
