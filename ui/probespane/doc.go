// Package probespane shows the probes of the selected workload: each with its
// spec in words, what it does in which pod, since when, what is not known, and
// what in it is asking for trouble. `t` runs one from here, once.
package probespane
