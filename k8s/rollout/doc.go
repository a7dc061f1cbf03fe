// Package rollout judges workloads. API objects are reduced to small rows at
// ingress (FromX), and Assess turns the rows of one workload, its Warning
// events and a time into a verdict. Nothing here does IO or keeps state.
//
// The rules are those of the controllers: kubernetes pkg/controller/
// {deployment,statefulset,daemon} at v1.37 and argo-rollouts at v1.9.
package rollout
