// Package rollout judges workloads. API objects are reduced to small rows at
// ingress (FromX), and [Assess] turns the rows of one workload, its Warning
// events and a time into a verdict. Nothing here does IO or keeps state.
//
//	object.go argo_object.go owned.go pods.go event.go hpa.go   objects -> rows
//	fingerprint.go                                              which templates are equal
//	limits.go                                                   surge and unavailable, in pods
//	assess.go                                                   Input, Assess, what every kind begins with
//	trouble.go examine.go details.go                            what pods that are not available wait for
//	revisions.go                                                how far the rollout is, per revision
//	deployment.go statefulset.go daemonset.go argo.go           the phases of each kind
//	settled.go events.go words.go                               lost pods after a rollout; evidence; sentences
//	diff.go secrecy.go unified.go                               what changed between two templates
//
// The rules are those of the controllers: kubernetes pkg/controller/
// {deployment,replicaset,statefulset,daemon} at v1.37 and argo-rollouts at
// v1.9; each file says where its own come from. A verdict must be sound from
// the controllers' statuses alone, as pods arrive later (and may be
// forbidden), and gains names and causes once they are known.
package rollout
