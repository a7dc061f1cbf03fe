// Package change plans the writes on workloads and pods: restart, undo, pause,
// resume, scale, delete. It only plans: what a [Planner] returns is an
// [midwatch/action.Plan], and the gate alone can carry that out.
//
// Every plan reads the object first and is bound to what it read:
//
//   - Spec changes are JSON patches that test /metadata/uid and
//     /metadata/generation. The generation counts changes of the spec alone;
//     a resourceVersion would also count the status, which changes all the
//     time during a rollout, and refuse for no reason. A failed test is
//     answered with 422 and no word about why (k8s.io/apiserver
//     pkg/endpoints/handlers/patch.go), so the object is read again to say
//     what differs.
//   - A scale reads the scale subresource, compares, and puts it back with its
//     resourceVersion, again when only that was out of date.
//   - A deletion has the UID as precondition.
//
// Every write is tried with dryRun=All first, as field manager "midwatch" and
// with strict field validation.
//
//	client.go    Planner: what it works with
//	kinds.go     the kinds of workload, as data
//	subject.go   an object as a plan read it; still the same? what differs?
//	patch.go     JSON patches, and what the server's answers mean
//	restart.go undo.go pause.go scale.go pod.go   one write each
//	revision.go  a workload's past templates
//	blast.go     what a change of the template does to the pods
//	owner.go     who will put a field back
//	progress.go  how far the controller is
//	watch.go     following objects until something is so
//	command.go   the equivalent kubectl command
package change
