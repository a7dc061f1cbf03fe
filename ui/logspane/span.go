package logspane

import (
	"time"

	"midwatch/k8s/podlog"
)

// span is how much of the past is read.
type span uint8

const (
	lastLines span = iota // the zero value: enough to see what is going on
	moreLines
	lastMinutes
	lastHour
	everything
	spans
)

// String is the span in words.
func (s span) String() string {
	return [...]string{"last 200 lines", "last 2000 lines", "last 5 minutes", "last hour", "everything the node keeps"}[s]
}

// tail is the span in lines, as in [podlog.Query].
func (s span) tail() int {
	switch s {
	case lastLines:
		return podlog.DefaultTail
	case moreLines:
		return 2000
	}
	return -1
}

// since is the span in time; 0 for no limit.
func (s span) since() time.Duration {
	switch s {
	case lastMinutes:
		return 5 * time.Minute
	case lastHour:
		return time.Hour
	}
	return 0
}
