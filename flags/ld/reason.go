package ld

import (
	"fmt"

	"github.com/launchdarkly/go-sdk-common/v3/ldreason"

	"midwatch/flags"
	"midwatch/foreign"
)

// Reason normalises a reason and keeps LaunchDarkly's own words. split says
// that a percentage decided, which the reason alone does not tell.
func Reason(r ldreason.EvaluationReason, split bool) (reason flags.Reason, native foreign.Text) {
	native = foreign.Clean(string(r.GetKind()))
	switch r.GetKind() {
	case ldreason.EvalReasonOff:
		reason = flags.ReasonDisabled
	case ldreason.EvalReasonFallthrough:
		reason = flags.ReasonDefault
	case ldreason.EvalReasonTargetMatch:
		reason = flags.ReasonTargetingMatch
	case ldreason.EvalReasonRuleMatch:
		reason = flags.ReasonTargetingMatch
		native += foreign.Text(fmt.Sprintf(" rule %d", r.GetRuleIndex()+1))
	case ldreason.EvalReasonPrerequisiteFailed:
		reason = flags.ReasonPrerequisite
		native += " " + foreign.Clean(r.GetPrerequisiteKey())
	case ldreason.EvalReasonError:
		reason = flags.ReasonError
		native += " " + foreign.Clean(string(r.GetErrorKind()))
	default:
		reason = flags.ReasonUnknown
	}
	if split || r.IsInExperiment() {
		if reason == flags.ReasonDefault || reason == flags.ReasonTargetingMatch {
			reason = flags.ReasonSplit
		}
	}
	if r.IsInExperiment() {
		native += ", in experiment"
	}
	return reason, native
}

// Unsure says why an evaluation may not be what the application gets; empty
// when it is.
func Unsure(r ldreason.EvaluationReason) foreign.Text {
	switch s := r.GetBigSegmentsStatus(); s {
	case "", ldreason.BigSegmentsHealthy:
		return ""
	case ldreason.BigSegmentsNotConfigured:
		return "the members of a big segment are not known here"
	default:
		return "the members of a big segment may be old: " + foreign.Clean(string(s))
	}
}

// Code is OpenFeature's word for an error of an evaluation.
func Code(r ldreason.EvaluationReason) (code flags.ErrorCode, text foreign.Text) {
	switch r.GetErrorKind() {
	case "":
		return flags.ErrorNone, ""
	case ldreason.EvalErrorClientNotReady:
		return flags.ErrorNotReady, "no flags have been read yet"
	case ldreason.EvalErrorFlagNotFound:
		return flags.ErrorFlagNotFound, "no such flag"
	case ldreason.EvalErrorMalformedFlag:
		return flags.ErrorParse, "the flag is malformed: it serves a variation that it does not have"
	case ldreason.EvalErrorUserNotSpecified:
		return flags.ErrorInvalidContext, "the context is not valid"
	case ldreason.EvalErrorWrongType:
		return flags.ErrorTypeMismatch, "the value has another type"
	}
	return flags.ErrorGeneral, foreign.Clean(string(r.GetErrorKind()))
}
