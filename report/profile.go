package report

import (
	"encoding/json"
	"io"
	"time"

	"midwatch/profiles"
	"midwatch/profiles/diff"
	"midwatch/profiles/summary"
	"midwatch/profiles/tree"
)

// ProfileSchema names the JSON of `midwatch profile -o json`, described in
// docs/schema/profile.v1.json.
const ProfileSchema = "midwatch.profile/v1"

// Profile is one profile, or a comparison of two, for scripts.
type Profile struct {
	Schema string `json:"schema"`
	// Source is where it came from: files, or pod and endpoint.
	Source string     `json:"source"`
	Format string     `json:"format"`
	At     *time.Time `json:"at,omitempty"`
	// Type and Unit say what the values are: cpu in nanoseconds.
	Type string `json:"type"`
	Unit string `json:"unit"`
	// Types are all columns the profile has.
	Types []ProfileType `json:"types"`
	// Total is what percentages are taken of, before any filter.
	Total int64 `json:"total"`
	// Samples is how many samples stand behind the numbers.
	Samples int64 `json:"samples"`
	// Duration is in seconds; 0 for a snapshot.
	Duration  float64           `json:"duration"`
	Exactness string            `json:"exactness"`
	Summary   []string          `json:"summary"`
	Warnings  []string          `json:"warnings,omitempty"`
	Base      *ProfileBase      `json:"base,omitempty"`
	Functions []ProfileFunction `json:"functions"`
}

// ProfileType is one column of values.
type ProfileType struct {
	Type string `json:"type"`
	Unit string `json:"unit"`
}

// ProfileBase is the other side of a comparison.
type ProfileBase struct {
	Source   string  `json:"source"`
	Mode     string  `json:"mode"` // share, cores, per request, absolute
	Total    int64   `json:"total"`
	Samples  int64   `json:"samples"`
	Duration float64 `json:"duration"`
}

// ProfileFunction is one function's row, in the profile's unit.
type ProfileFunction struct {
	Name string `json:"name"`
	File string `json:"file,omitempty"`
	// Line is where it begins, or was seen first: Python has several functions
	// of one name in a file.
	Line int64 `json:"line,omitempty"`
	Flat int64 `json:"flat"`
	Cum  int64 `json:"cum"`
	// Base, Delta and Verdict are there in a comparison.
	Base    *ProfileValues `json:"base,omitempty"`
	Delta   *ProfileValues `json:"delta,omitempty"`
	Verdict string         `json:"verdict,omitempty"`
	// P is the probability of seeing such a change by chance.
	P *float64 `json:"p,omitempty"`
	// Via is the function that explains a change that is only passed on.
	Via string `json:"via,omitempty"`
}

// ProfileValues are flat and cum of one side.
type ProfileValues struct {
	Flat int64 `json:"flat"`
	Cum  int64 `json:"cum"`
}

// NewProfile reports one view of a profile, at most limit functions (0 for
// all).
func NewProfile(p *profiles.Profile, t *tree.Tree, order tree.Order, limit int) Profile {
	doc := head(p, t.Type)
	doc.Total = t.Total
	doc.Summary = summary.Lines(p, t)
	rows := t.Top(order)
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
	}
	for _, r := range rows {
		doc.Functions = append(doc.Functions, ProfileFunction{Name: r.Name.String(), File: r.File.String(), Line: r.Line, Flat: r.Flat, Cum: r.Cum})
	}
	return doc
}

// head fills what does not depend on the view.
func head(p *profiles.Profile, typ profiles.ValueType) Profile {
	doc := Profile{
		Schema: ProfileSchema, Source: p.Source, Format: string(p.Format), Type: typ.Type, Unit: typ.Unit,
		Samples: p.SampleCount(), Duration: p.Duration.Seconds(), Exactness: p.Exactness.String(),
		Warnings: p.Warnings, Functions: []ProfileFunction{}, Types: []ProfileType{},
	}
	for _, t := range p.Types {
		doc.Types = append(doc.Types, ProfileType(t))
	}
	if !p.Time.IsZero() {
		at := p.Time.UTC()
		doc.At = &at
	}
	return doc
}

// NewProfileDiff reports a comparison of base with p, both put together from
// their pods.
func NewProfileDiff(p, base *profiles.Profile, d *diff.Diff, limit int) Profile {
	doc := head(p, d.Type)
	doc.Total, doc.Samples, doc.Duration = d.New.Value, int64(d.New.Samples), d.New.Seconds
	doc.Summary = summary.Diff(d)
	doc.Warnings = d.Warnings
	doc.Base = &ProfileBase{
		Source: base.Source, Mode: d.Mode.String(), Total: d.Base.Value, Samples: int64(d.Base.Samples), Duration: d.Base.Seconds,
	}
	rows := d.Rows
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
	}
	for _, r := range rows {
		f := ProfileFunction{
			Name: r.Name.String(), File: r.File.String(), Flat: r.New.Flat, Cum: r.New.Cum,
			Base:    &ProfileValues{r.Base.Flat, r.Base.Cum},
			Delta:   &ProfileValues{r.New.Flat - r.Base.Flat, r.New.Cum - r.Base.Cum},
			Verdict: r.Verdict.String(), Via: r.Via.String(),
		}
		if r.Verdict != diff.TooFew {
			f.P = &r.P
		}
		doc.Functions = append(doc.Functions, f)
	}
	return doc
}

// Write writes the document as JSON.
func (p Profile) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(p)
}
