// Package flagwatch keeps the flags of a session's providers up to date for
// the screen: it lists them once, again whenever a provider says that
// something may differ, evaluates them for the pinned context, and puts the
// result on the hub as one immutable [Board].
//
//	board.go    Board, Row, Asked: what the screen shows
//	session.go  Session: the goroutines behind it
//	source.go   one provider being read
//	plan.go     plans for one flag or several
//	usage.go    which flags a workload uses
package flagwatch
