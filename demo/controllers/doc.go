// Package controllers imitates the parts of a Kubernetes cluster that move: the deployment, replica set, stateful set, daemon set
// and horizontal pod autoscaler controllers, the scheduler and a kubelet, on the store of package apiserver.
//
// Everything happens in [Manager.Step], which is given the time: there is no goroutine, no timer and no clock in here. Each
// controller is a function of one object that brings the store a little nearer to what the object asks for and returns when it
// wants to look again. A change in the store wakes the controllers concerned after a small delay, so that a rollout unfolds over
// seconds, as it does in a real cluster. [Manager.Next] tells when the next one is due, which lets a world be fast-forwarded
// through its past, and lets an idle one cost nothing.
//
// Rules, condition reasons and event texts follow kubernetes v1.37; each file names its source.
package controllers
