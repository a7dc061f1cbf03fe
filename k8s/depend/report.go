package depend

import (
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Area is what a section is about.
type Area string

// The areas, in the order they are shown.
const (
	Traffic  Area = "traffic"  // Services, Ingresses, HTTPRoutes
	Config   Area = "config"   // ConfigMaps and Secrets
	Storage  Area = "storage"  // PersistentVolumeClaims
	Identity Area = "identity" // the ServiceAccount
	Room     Area = "room"     // ResourceQuotas
	Usage    Area = "usage"    // requests against what is used
	Budgets  Area = "budgets"  // PodDisruptionBudgets
)

// Item is one thing the workload hangs on.
type Item struct {
	Ref      k8s.Ref
	Severity live.Severity
	// Text is one sentence without relative times.
	Text foreign.Text
	// Uses say how the workload uses it: "env DATABASE_URL of api".
	Uses []string
	// Notes are what else is worth knowing.
	Notes []Note
	// Changed is when its content changed last; zero when not known or not
	// told.
	Changed time.Time
}

// Note is a remark on an item.
type Note struct {
	Severity live.Severity
	Text     foreign.Text
}

// Section is the items of one area, or why they are not known.
type Section struct {
	Area  Area
	Title string
	// Gaps are what could not be read: "forbidden: list services in shop".
	Gaps  []Gap
	Items []Item
	// Empty says what it means that there are none.
	Empty string
}

// Gap is something that could not be read.
type Gap struct {
	What  string
	State live.State
	Err   foreign.Text
}

// Severity is the worst of its items'.
func (s *Section) Severity() live.Severity {
	worst := live.OK
	for i := range s.Items {
		if s.Items[i].Severity.Rank() < worst.Rank() {
			worst = s.Items[i].Severity
		}
	}
	return worst
}

// Report is everything a workload hangs on.
type Report struct {
	Workload k8s.Ref
	// At is when it was read.
	At       time.Time
	Sections []Section
}

// Count is how many items are as bad as sev or worse.
func (r *Report) Count(sev live.Severity) int {
	n := 0
	for i := range r.Sections {
		for j := range r.Sections[i].Items {
			if r.Sections[i].Items[j].Severity.Rank() <= sev.Rank() {
				n++
			}
		}
	}
	return n
}

// note adds a remark, which is part of how bad the item is.
func (it *Item) note(sev live.Severity, text string) {
	it.Notes = append(it.Notes, Note{sev, foreign.CleanN(text, maxText)})
	it.worse(sev)
}

func (it *Item) worse(sev live.Severity) {
	if sev.Rank() < it.Severity.Rank() {
		it.Severity = sev
	}
}

// say sets the sentence.
func (it *Item) say(sev live.Severity, text string) {
	it.Text = foreign.CleanN(text, maxText)
	it.worse(sev)
}

const (
	maxText = 600
	maxName = 253
)

func clean(s string) string { return foreign.CleanN(s, maxName).String() }
