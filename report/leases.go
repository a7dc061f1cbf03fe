package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"midwatch/foreign"
	"midwatch/live"
	"midwatch/secrets"
	"midwatch/secrets/ledger"
	"midwatch/vault"
	"midwatch/vault/desk"
	"midwatch/vault/lease"
)

// LeasesSchema names the document of `midwatch secrets leases -o json`.
const LeasesSchema = "midwatch.leases/v1"

// Leases is that document.
type Leases struct {
	Schema string    `json:"schema"`
	At     time.Time `json:"at"`
	Vault  Vault     `json:"vault"`
	// Leases are sorted by what ends next.
	Leases []Lease `json:"leases"`
	// Total counts what was listed, also where Leases are a sample of it.
	Total     int        `json:"total"`
	Sampled   bool       `json:"sampled"`
	Histogram []Interval `json:"histogram,omitempty"`
	// Folders are prefixes below which there is more.
	Folders []foreign.Text `json:"folders,omitempty"`
	Notes   []Note         `json:"notes,omitempty"`
}

// Vault is the connection.
type Vault struct {
	Address     string         `json:"address"`
	Namespace   foreign.Text   `json:"namespace,omitempty"`
	Version     foreign.Text   `json:"version"`
	State       string         `json:"state"`
	Insecure    string         `json:"insecure,omitempty"`
	SkewSeconds float64        `json:"skewSeconds,omitempty"`
	Token       *Token         `json:"token,omitempty"`
	Count       *int           `json:"leases,omitempty"`
	Irrevocable *int           `json:"irrevocable,omitempty"`
	Missing     []string       `json:"missingRights,omitempty"`
	Notices     []foreign.Text `json:"notices,omitempty"`
}

// Token says whose rights were used.
type Token struct {
	Name     foreign.Text   `json:"name"`
	Policies []foreign.Text `json:"policies"`
	Expires  time.Time      `json:"expires,omitzero"`
	Root     bool           `json:"root,omitempty"`
	From     foreign.Text   `json:"from"`
}

// Lease is one lease.
type Lease struct {
	ID          foreign.Text  `json:"id"`
	Path        foreign.Text  `json:"path"`
	Issued      time.Time     `json:"issued,omitzero"`
	Expires     time.Time     `json:"expires,omitzero"`
	LastRenewal time.Time     `json:"lastRenewal,omitzero"`
	LastEnd     time.Time     `json:"lastPossibleEnd,omitzero"`
	TTL         int           `json:"ttl"`
	Renewable   bool          `json:"renewable"`
	State       lease.State   `json:"state"`
	Severity    live.Severity `json:"severity"`
	Message     foreign.Text  `json:"message"`
	Bound       string        `json:"bound,omitempty"`
	Role        foreign.Text  `json:"role,omitempty"`
	Database    foreign.Text  `json:"database,omitempty"`
	// Holder is who holds it in a few words; Workloads are all who do, or, where
	// the evidence is no proof, who may. By is the object that renews it.
	Holder    foreign.Text   `json:"holder,omitempty"`
	Workloads []foreign.Text `json:"workloads,omitempty"`
	By        string         `json:"by,omitempty"`
	Evidence  string         `json:"evidence"`
	// Parent is the token it dies with, where that was looked for.
	Parent foreign.Text `json:"parent,omitempty"`
	Error  foreign.Text `json:"error,omitempty"`
}

// Interval is one bar of the histogram.
type Interval struct {
	Label    string `json:"label"`
	Count    int    `json:"count"`
	Estimate int    `json:"estimate"`
}

// Note is what could not be found out.
type Note struct {
	Text foreign.Text `json:"text"`
	Next foreign.Text `json:"next,omitempty"`
}

// NewLeases judges what was found. holders say who holds each lease; nil when
// nobody looked.
func NewLeases(now time.Time, status *vault.Status, found *desk.Found, warn time.Duration, holders []ledger.Holder) *Leases {
	doc := &Leases{Schema: LeasesSchema, At: now.UTC(), Vault: newVault(status), Total: found.Total, Sampled: found.Sampled, Leases: []Lease{}}
	for i := range found.Leases {
		l := newLease(&found.Leases[i], now, warn)
		if i < len(holders) {
			l.heldBy(&holders[i])
		}
		doc.Leases = append(doc.Leases, l)
	}
	if found.Sampled {
		for _, b := range lease.NewHistogram(found.Leases, found.Total, now, warn).Buckets {
			doc.Histogram = append(doc.Histogram, Interval{b.Label, b.Count, b.Estimate})
		}
	}
	for _, f := range found.Folders {
		doc.Folders = append(doc.Folders, foreign.CleanN(f, 400))
	}
	for _, err := range found.Notes {
		doc.Notes = append(doc.Notes, newNote(err))
	}
	return doc
}

func newNote(err error) Note {
	n := Note{Text: foreign.CleanN(err.Error(), 600)}
	var failed *vault.Error
	if errors.As(err, &failed) {
		n.Next = foreign.CleanN(failed.Next(), 600)
	}
	return n
}

func newVault(s *vault.Status) Vault {
	v := Vault{
		Address: s.Address, Namespace: s.Namespace, Version: s.Health.Version, State: s.Health.State(), Insecure: s.Insecure,
		SkewSeconds: s.Health.Skew.Seconds(), Notices: s.Notices,
	}
	if t := s.Token; t != nil {
		v.Token = &Token{Name: t.Name, Policies: t.Policies, Expires: t.Expires, Root: t.Root(), From: t.From}
	}
	if c := s.Counts; c != nil {
		if c.Leases >= 0 {
			v.Count = &c.Leases
		}
		if c.Irrevocable >= 0 {
			v.Irrevocable = &c.Irrevocable
		}
	}
	for _, r := range s.Caps.Missing() {
		v.Missing = append(v.Missing, r.HCL())
	}
	return v
}

func newLease(l *lease.Lease, now time.Time, warn time.Duration) Lease {
	v := lease.Assess(l, now, warn)
	out := Lease{
		ID: l.ID.Text(), Path: l.ID.Path(), Issued: l.Issued, Expires: v.Ends, LastRenewal: l.LastRenewal, LastEnd: l.LastEnd(),
		Renewable: l.Renewable, State: v.State, Severity: v.Severity, Message: foreign.CleanN(v.Message, 600), Evidence: "unknown", Error: l.Error,
	}
	if !v.Ends.IsZero() {
		out.TTL, out.Bound = int(v.Ends.Sub(now).Seconds()), v.Bound
	}
	if l.Parent != nil {
		out.Parent = l.Parent.Name
	}
	if l.Role != nil {
		out.Role, out.Database = l.Role.Name, l.Role.Database
	}
	return out
}

func (l *Lease) heldBy(h *ledger.Holder) {
	l.Holder, l.By, l.Evidence = h.Text(), h.By, string(h.Evidence())
	for _, w := range h.Workloads {
		l.Workloads = append(l.Workloads, foreign.Clean(w.String()))
	}
}

// ExitCode is trouble when a lease is in trouble, unknown when none could be
// read and something was in the way.
func (d *Leases) ExitCode() int {
	for _, l := range d.Leases {
		if l.Severity == live.Warn || l.Severity == live.Fail {
			return ExitTrouble
		}
	}
	if len(d.Leases) == 0 && len(d.Notes) > 0 {
		return ExitUnknown
	}
	return ExitWell
}

// JSON writes the document.
func (d *Leases) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}

// Table writes it for people: the connection, then one line a lease.
func (d *Leases) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, d.Vault.line())
	for _, n := range d.Vault.Notices {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	if len(d.Leases) > 0 {
		fmt.Fprintln(t, "ENDS\tSTATE\tLEASE\tRENEWED\tHELD BY\tWHAT")
	}
	for _, l := range d.Leases {
		fmt.Fprintf(t, "%s\t%s\t%s/%s\t%s\t%s\t%s\n", l.ends(d.At), l.State, l.Path, lease.ID(l.ID).Short(), l.renewed(d.At), l.holder(), l.Message)
		if l.Error != "" {
			fmt.Fprintf(t, "\t\t\t\t\t%s\n", l.Error)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	d.tail(w)
	return nil
}

func (d *Leases) tail(w io.Writer) {
	if d.Sampled {
		fmt.Fprintf(w, "\nEstimated from %d of %d leases:\n", len(d.Leases), d.Total)
		for _, b := range d.Histogram {
			if b.Count > 0 {
				fmt.Fprintf(w, "  %-14s about %d\n", b.Label, b.Estimate)
			}
		}
	}
	for _, f := range d.Folders {
		fmt.Fprintf(w, "below: %s\n", f)
	}
	for _, n := range d.Notes {
		fmt.Fprintf(w, "not known: %s\n", n.Text)
		if n.Next != "" {
			fmt.Fprintf(w, "  %s\n", n.Next)
		}
	}
}

// line is the connection in one line.
func (v *Vault) line() string {
	text := fmt.Sprintf("Vault %s %s at %s", v.Version, v.State, v.Address)
	if v.Namespace != "" {
		text += " namespace " + v.Namespace.String()
	}
	if v.Token != nil {
		text += fmt.Sprintf(", as %s", v.Token.Name)
		if v.Token.Root {
			text += " (ROOT)"
		}
	}
	if v.Insecure != "" {
		text += ", INSECURE: " + v.Insecure
	}
	if v.SkewSeconds != 0 {
		text += fmt.Sprintf(", its clock is off by %.0f s", v.SkewSeconds)
	}
	if v.Count != nil {
		text += fmt.Sprintf(", %d leases", *v.Count)
	}
	if v.Irrevocable != nil && *v.Irrevocable > 0 {
		text += fmt.Sprintf(", %d irrevocable", *v.Irrevocable)
	}
	return text
}

func (l *Lease) ends(now time.Time) string {
	switch {
	case l.Expires.IsZero():
		return "-"
	case !l.Expires.After(now):
		return "over"
	}
	return "in " + short(l.Expires.Sub(now))
}

func (l *Lease) holder() string {
	switch {
	case l.Holder == "":
		return "-"
	case l.Evidence == string(secrets.LinkExact):
		return l.Holder.String()
	}
	return l.Holder.String() + " (" + l.Evidence + ")"
}

func (l *Lease) renewed(now time.Time) string {
	switch {
	case l.Issued.IsZero():
		return "-"
	case l.LastRenewal.IsZero():
		return "never"
	}
	return short(now.Sub(l.LastRenewal)) + " ago"
}

// short is a duration in its two largest units: "3h12m", "45s".
func short(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}
