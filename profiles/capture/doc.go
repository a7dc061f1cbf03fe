// Package capture takes profiles from pods: it finds where a pod serves them,
// asks for one, and hands the bytes to package decode.
//
//	kinds.go     what can be taken, what it costs the target, what it says
//	endpoint.go  where a pod may serve profiles, from settings and annotations
//	index.go     what the index page of net/http/pprof says
//	find.go      the cheap requests that settle it, remembered per workload
//	take.go      one capture: wait, retry while another profiler is at it, read
//	turns.go     one capture per pod, three per revision of a workload at once
//	subject.go   which pods belong together; sides.go takes two groups at once
//	history.go   earlier captures, to compare with
//	errors.go    one line for everything that goes wrong
//
// A capture is a guest in production: GET only (a HEAD of /profile runs a whole
// profile), the index first, ten seconds, one at a time, and closing the request
// stops the target's profiler (net/http/pprof watches the request's context).
// It changes nothing in the cluster and still leaves a trace, so it is recorded
// in the journal.
package capture
