// Package podlog follows what containers write: one container, or the pods of
// a workload side by side, while they restart and are replaced.
//
// A [Stream] reads pods/log with time stamps, one request per container, into
// a bounded ring. A connection that ends is opened again where it stopped
// (sinceTime) without repeating a line; a container that cannot be read says
// so in the ring, between the lines, as a note. The stream never blocks a
// reader and never grows: what falls out of the ring is counted.
//
// Text is cleaned where it enters: escape sequences stay visible and can do
// nothing. Only colours (SGR) are taken off, since what they dress remains.
package podlog
