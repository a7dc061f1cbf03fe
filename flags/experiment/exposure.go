package experiment

import (
	"encoding/json"
	"strings"
	"time"

	"midwatch/foreign"
)

// ExposureEvent is the event by which an application records that a user met
// an experiment.
const ExposureEvent = "experiment_exposure"

// Exposure is one record of a user meeting an experiment.
type Exposure struct {
	Experiment, Variant, User string
	At                        time.Time
}

// ParseExposure reads an exposure from a log line: JSON as structlog writes it
// (the fields may be inside "properties"), or "experiment_exposure key=value
// …". ok is false for every other line.
func ParseExposure(line string, at time.Time) (e Exposure, ok bool) {
	i := strings.Index(line, ExposureEvent)
	if i < 0 {
		return Exposure{}, false
	}
	if start := strings.IndexByte(line, '{'); start >= 0 {
		if e, ok = fromJSON(line[start:]); ok {
			e.At = at
			return e, true
		}
	}
	if e, ok = fromPairs(line[i+len(ExposureEvent):]); ok {
		e.At = at
	}
	return e, ok
}

// names are what the fields are called in the wild, the first one first.
func experimentNames() []string { return []string{"experiment", "experiment_name", "experiment_key"} }
func variantNames() []string    { return []string{"variant", "variation", "variant_name"} }
func userNames() []string       { return []string{"user_id", "userId", "user", "user_key", "distinct_id"} }

func fromJSON(text string) (Exposure, bool) {
	var top map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&top); err != nil {
		return Exposure{}, false
	}
	named := false
	for _, k := range []string{"event", "msg", "message", "name", "event_name"} {
		named = named || top[k] == ExposureEvent
	}
	if !named {
		return Exposure{}, false
	}
	get := func(names []string) string {
		for _, in := range []string{"", "properties", "extra", "props"} {
			fields := top
			if in != "" {
				fields, _ = top[in].(map[string]any)
			}
			for _, n := range names {
				switch v := fields[n].(type) {
				case string:
					return v
				case json.Number:
					return v.String()
				}
			}
		}
		return ""
	}
	return complete(get(experimentNames()), get(variantNames()), get(userNames()))
}

// fromPairs reads "key=value key='a value'", as logfmt and structlog's console
// renderer write it.
func fromPairs(text string) (Exposure, bool) {
	pairs := map[string]string{}
	for len(pairs) < 32 {
		text = strings.TrimLeft(text, " \t,")
		key, rest, ok := strings.Cut(text, "=")
		if !ok {
			break
		}
		if sp := strings.LastIndexByte(key, ' '); sp >= 0 {
			key = key[sp+1:]
		}
		var value string
		if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
			value, rest, _ = strings.Cut(rest[1:], rest[:1])
		} else {
			value, rest, _ = strings.Cut(rest, " ")
		}
		pairs[key], text = value, rest
	}
	get := func(names []string) string {
		for _, n := range names {
			if v := pairs[n]; v != "" {
				return v
			}
		}
		return ""
	}
	return complete(get(experimentNames()), get(variantNames()), get(userNames()))
}

func complete(experiment, variant, user string) (Exposure, bool) {
	if experiment == "" || variant == "" || user == "" {
		return Exposure{}, false
	}
	return Exposure{
		Experiment: foreign.CleanN(experiment, 256).String(), Variant: foreign.CleanN(variant, 256).String(), User: user,
	}, true
}
