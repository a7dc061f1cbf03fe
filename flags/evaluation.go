package flags

import (
	"encoding/json"

	"midwatch/foreign"
)

// Reason says in OpenFeature's words why an evaluation came out as it did
// (OpenFeature specification, types: Resolution Reason).
type Reason string

// The reasons. Those of a provider that have no counterpart among them are
// kept as they are: the specification allows any string.
const (
	ReasonStatic         Reason = "STATIC"          // one value for everyone
	ReasonDefault        Reason = "DEFAULT"         // no rule matched
	ReasonTargetingMatch Reason = "TARGETING_MATCH" // a rule or a target matched
	ReasonSplit          Reason = "SPLIT"           // a percentage decided
	ReasonDisabled       Reason = "DISABLED"        // the flag is off
	ReasonCached         Reason = "CACHED"
	ReasonUnknown        Reason = "UNKNOWN" // could not be decided from here
	ReasonStale          Reason = "STALE"   // decided on data that may be old
	ReasonError          Reason = "ERROR"
	ReasonPrerequisite   Reason = "PREREQUISITE_FAILED" // LaunchDarkly's, and Unleash's dependencies
)

// ErrorCode is why there is no value (OpenFeature specification, types: Error
// Code).
type ErrorCode string

// The error codes.
const (
	ErrorNone             ErrorCode = ""
	ErrorNotReady         ErrorCode = "PROVIDER_NOT_READY"
	ErrorFatal            ErrorCode = "PROVIDER_FATAL"
	ErrorFlagNotFound     ErrorCode = "FLAG_NOT_FOUND"
	ErrorParse            ErrorCode = "PARSE_ERROR"
	ErrorTypeMismatch     ErrorCode = "TYPE_MISMATCH"
	ErrorTargetingMissing ErrorCode = "TARGETING_KEY_MISSING"
	ErrorInvalidContext   ErrorCode = "INVALID_CONTEXT"
	ErrorGeneral          ErrorCode = "GENERAL"
)

// Evaluation is what one context gets from one flag, and why.
type Evaluation struct {
	Key string
	// Value is the JSON of what it gets, compact and cleaned: true, "blue",
	// {"limit":5}. Empty when there is none, see Error.
	Value foreign.Text
	// Variant is the name of the variation, empty when it has none.
	Variant foreign.Text
	Reason  Reason
	// Native is the reason in the provider's own words: "RULE_MATCH rule 2".
	Native foreign.Text
	// Why explains it part by part: each constraint and what came of it.
	Why []foreign.Text
	// Unsure is set when the value may not be what the application gets, and
	// says why: a segment whose members are not known here, a strategy that
	// only the application has.
	Unsure foreign.Text
	// Code and Error say why there is no value.
	Code  ErrorCode
	Error foreign.Text
}

// Same reports whether both give the same value and variant.
func (e Evaluation) Same(o Evaluation) bool {
	return e.Value == o.Value && e.Variant == o.Variant && e.Code == o.Code
}

// valueLimit bounds a value that is drawn; whoever needs all of a large one
// opens the provider.
const valueLimit = 512

// JSONValue makes a Value out of what a decoder or an SDK gave.
func JSONValue(v any) foreign.Text {
	b, err := json.Marshal(v)
	if err != nil {
		return foreign.CleanN(err.Error(), valueLimit)
	}
	return foreign.CleanN(string(b), valueLimit)
}
