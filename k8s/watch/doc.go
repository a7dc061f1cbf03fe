// Package watch keeps what is happening in a cluster in memory, judged, and
// hands it to the screen through the live hub.
//
// Where to start: [Start] opens a [Session]; topics.go lists what it provides.
//
//	API server --list, watch--> feed --rows--> world --dirty--> live.Hub
//	                                             |
//	     hub.Next --> builder: re-assess what changed, rank, snapshot
//
// One feed reads one resource in one namespace (or in all of them): a LIST
// whose answer is reduced to rows while it arrives, then a WATCH from there.
// The feeds start in the order in which they help to judge ([waves]): the
// controllers' own statuses first, all pods last. The world is the one place
// that holds rows; it knows which workload a changed row belongs to, so that
// a snapshot re-assesses that workload and nothing else.
//
// What may not be read is said, not retried: a 403 ends the feed until
// [Session.Retry]. Everything else heals by itself.
package watch
