package podlog

import "time"

// resume is where a log was left, so that it can be read on without repeating
// a line. sinceTime has whole seconds on the wire (metav1.Time), so a server
// begins with lines that were read already; they are told by their stamps.
type resume struct {
	at    time.Time // of the last line read
	count int       // lines read with exactly that stamp

	again bool // the log was opened again: what was read may come once more
	skip  int  // lines stamped at that were read before and are still to come
}

// reopened says that the log is read from r.at on once more.
func (r *resume) reopened() { r.again, r.skip = !r.at.IsZero(), r.count }

// accept reports whether a line is new. A line without a stamp always is.
func (r *resume) accept(at time.Time) bool {
	if at.IsZero() {
		return true
	}
	if r.again {
		if at.Before(r.at) {
			return false
		}
		if at.Equal(r.at) && r.skip > 0 {
			r.skip--
			return false
		}
		r.again = false
	}
	switch {
	case at.After(r.at):
		r.at, r.count = at, 1
	case at.Equal(r.at):
		r.count++
	}
	return true
}
