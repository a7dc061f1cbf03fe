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
//	look.go      what is in a container: which Python process, which profiler
//	exec.go      a profile by a command in the container, as a plan; execsides.go
//	             the same of two groups of pods
//	pyspy.go     the commands, and what they say when they fail
//	helper.go    an ephemeral container with py-spy, as a plan
//	requests.go  how many requests were served meanwhile
//	errors.go    one line for everything that goes wrong
//
// A capture is a guest in production: GET only (a HEAD of /profile runs a whole
// profile), the index first, ten seconds, one at a time, and closing the request
// stops the target's profiler (net/http/pprof watches the request's context).
// It changes nothing in the cluster and still leaves a trace, so it is recorded
// in the journal. A command in a container could change anything: it is a plan
// that the gate carries out, and so is an ephemeral container.
package capture
