// Package probe says what the kubelet's probes of a pod do, as far as that can
// be told: the spec in words with its real budget, the state that follows from
// what the kubelet reports, since when and how often at least, when the kubelet
// will act, what cannot be known, and what in the spec is asking for trouble.
//
// Everything here is pure: objects and the time in, a [Report] out. The rules
// are the kubelet's own (k/k pkg/kubelet/prober/{worker,prober}.go,
// pkg/kubelet/status/generate.go, pkg/probe); docs/PROBES.md has the table.
package probe
