package report

import (
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/hpa"
)

// HPA is the autoscaler that targets a workload. What follows Message is there
// when its decision was recomputed: for `-o json` and `-o md`.
type HPA struct {
	Name    string `json:"name"`
	Min     int    `json:"min"`
	Max     int    `json:"max"`
	Current int    `json:"current"`
	Desired int    `json:"desired"`
	// LimitedBy is "max" while it wants more than it may have, the reason it
	// cannot scale at all, or the step that keeps it from what its metrics ask
	// for; empty when nothing holds it.
	LimitedBy string       `json:"limitedBy,omitempty"`
	Message   foreign.Text `json:"message,omitempty"`
	// Wants is what the metrics alone ask for; left out when unknown.
	Wants      *int           `json:"wants,omitempty"`
	Next       *int           `json:"next,omitempty"` // what it sets at its next look
	Outcome    hpa.Outcome    `json:"outcome,omitempty"`
	Confidence hpa.Confidence `json:"confidence,omitempty"`
	Summary    string         `json:"summary,omitempty"`
	Metrics    []HPAMetric    `json:"metrics,omitempty"`
	Steps      []hpa.Step     `json:"steps,omitempty"`
	Forecast   *HPAForecast   `json:"forecast,omitempty"`
	Unknown    []hpa.Unknown  `json:"unknown,omitempty"`
}

// HPAMetric is one metric's current value against its target, with units as
// text, and the number of replicas it asks for.
type HPAMetric struct {
	Name     string  `json:"name"`
	Type     string  `json:"type"`
	State    string  `json:"state"`
	Current  string  `json:"current,omitempty"`
	Target   string  `json:"target"`
	Ratio    float64 `json:"ratio"`
	Proposal *int    `json:"proposal,omitempty"`
	Ready    int     `json:"ready"`
	Unready  int     `json:"unready"`
	Missing  int     `json:"missing"`
	Ignored  int     `json:"ignored"`
	Note     string  `json:"note,omitempty"`
}

// HPAForecast is where the present load leads to.
type HPAForecast struct {
	Text   string      `json:"text"`
	Points []hpa.Point `json:"points"`
}

// fromHPA is what the board knows of an autoscaler.
func fromHPA(h *k8s.HPAStatus) *HPA {
	out := &HPA{Name: h.Name, Min: h.Min, Max: h.Max, Current: h.Current, Desired: h.Desired, LimitedBy: h.Problem, Message: h.Message}
	switch {
	case h.AtMax:
		out.LimitedBy = "max"
	case h.Stabilising:
		out.LimitedBy = string(hpa.StepStabilise)
	}
	return out
}

// Explained adds the explanations of autoscalers, by their workloads'
// [k8s.Ref.Key].
func (s *Status) Explained(explained map[string]*hpa.Explanation) {
	for i := range s.Workloads {
		w := &s.Workloads[i]
		e := explained[k8s.Ref{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}.Key()]
		if w.HPA != nil && e != nil {
			w.HPA.explain(e)
		}
	}
}

func (h *HPA) explain(e *hpa.Explanation) {
	if e.Wants >= 0 {
		h.Wants = &e.Wants
	}
	if e.Outcome == hpa.Scales || e.Outcome == hpa.Stays {
		h.Next = &e.Desired
	}
	if h.LimitedBy == "" {
		h.LimitedBy = string(e.LimitedBy)
	}
	h.Outcome, h.Confidence, h.Summary, h.Steps, h.Unknown = e.Outcome, e.Confidence, e.Summary, e.Steps, e.Unknown
	for i := range e.Metrics {
		h.Metrics = append(h.Metrics, fromMetric(&e.Metrics[i]))
	}
	if f := e.Forecast; f != nil {
		h.Forecast = &HPAForecast{Text: f.Text}
		for _, p := range f.Points {
			h.Forecast.Points = append(h.Forecast.Points, hpa.Point{At: p.At.UTC().Truncate(time.Second), N: p.N})
		}
	}
}

func fromMetric(m *hpa.Metric) HPAMetric {
	out := HPAMetric{
		Name: m.Name, Type: m.Type, State: m.State.String(), Target: m.TargetValue(),
		Ready: len(m.Groups.Ready), Unready: len(m.Groups.Unready), Missing: len(m.Groups.Missing), Ignored: len(m.Groups.Ignored),
	}
	var notes []string
	for _, note := range []string{m.Problem, m.Note, m.Odd} {
		if note != "" {
			notes = append(notes, note)
		}
	}
	out.Note = strings.Join(notes, "; ")
	if m.Computed {
		// Three digits, and a finite number: JSON knows no other.
		const digits, most = 1000, 1e9
		out.Current, out.Ratio = m.Value(), float64(int64(min(max(m.Ratio, -most), most)*digits))/digits
		out.Proposal = &m.Proposal
	}
	return out
}

// autoscaled is what keeps the autoscaler from what its metrics ask for; empty
// when nothing does.
func autoscaled(w *Workload) string {
	h := w.HPA
	if h == nil || h.Summary == "" || h.LimitedBy == "" || h.LimitedBy == string(hpa.StepTolerance) {
		return ""
	}
	return "Its autoscaler: " + h.Summary + "."
}
