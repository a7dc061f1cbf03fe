package vault

import (
	"errors"
	"strings"

	"midwatch/foreign"
	"midwatch/live"
)

// Failure is an error in words for a screen.
type Failure struct {
	// Kind is "" for an error that is not Vault's.
	Kind Kind
	// Text is what was tried and why it failed, on one line.
	Text string
	// Next is what to do about it; "" where there is nothing to say.
	Next string
}

// Explain puts an error into words; those of one that is not Vault's are cut
// to a clean line.
func Explain(err error) *Failure {
	var failed *Error
	if errors.As(err, &failed) {
		return &Failure{Kind: failed.Kind, Text: failed.Error(), Next: failed.Next()}
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return &Failure{Text: foreign.CleanN(line, 400).String()}
}

// Severity tells what the user lacks, has to wait for or may not do from what
// does not work.
func (f *Failure) Severity() live.Severity {
	if f.Kind == KindForbidden || f.Kind == KindRateLimited || f.Kind == "" {
		return live.Warn
	}
	return live.Fail
}
