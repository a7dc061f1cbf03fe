// Package podspane shows the pods of the selected workload, or of the whole
// scope, the ones in most trouble first.
package podspane
