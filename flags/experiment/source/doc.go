// Package source finds the self-hosted experiments of a workload: definitions
// in ConfigMaps and files, exposures in the logs of its pods.
//
// Nothing is watched. A report is read when somebody asks for it: one GET per
// ConfigMap, the workload and its pods, and a bounded piece of each pod's log.
//
//	source.go   Reader, Report: what is read, and the verdict on it
//	logs.go     exposures counted from log lines
//	kill.go     the one action that ends an experiment
package source
