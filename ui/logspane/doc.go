// Package logspane follows the logs of a pod, or of all pods of a workload side
// by side, each with its own colour and short name.
package logspane
