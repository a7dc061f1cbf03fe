package k8s

import (
	"time"

	"midwatch/foreign"
)

// Event is one core/v1 Event, reduced and cleaned.
type Event struct {
	UID      string
	Type     string // Normal or Warning
	Reason   string
	Message  foreign.Text
	Involved Ref // the object it speaks of
	// FieldPath is "spec.containers{api}" when it speaks of one container.
	FieldPath string
	// Source is the reporting component: kubelet, default-scheduler.
	Source string
	// First and Last bound when it was seen; Last is series.lastObservedTime,
	// else lastTimestamp, else eventTime, else the creation time.
	First, Last time.Time
	// Count is how often at least: the recorder drops what repeats too fast
	// (client-go tools/record/events_cache.go), so it is a floor.
	Count int
}
