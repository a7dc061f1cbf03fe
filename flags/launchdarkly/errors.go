package launchdarkly

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"midwatch/flags"
	"midwatch/flags/internal/rest"
)

// explain puts the API's refusals into the words of package flags; nil leaves
// one to the rules that hold for every server.
func (p *Provider) explain(e *rest.StatusError) error {
	text := strings.ToLower(e.Code + " " + e.Message)
	says := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
	}
	if e.Status == http.StatusNotFound {
		return missing(e, says)
	}
	writes := e.Writes
	switch {
	// An approval that is required is neither 403 nor 409.
	case e.Status == http.StatusMethodNotAllowed && says("approval"):
		return fmt.Errorf("%w: %s: ask for it in LaunchDarkly, at %s/projects/%s/flags", flags.ErrApproval, e.Message, p.opts.Address, p.opts.Project)
	case writes && says("test operation", "test failed", "testing value", "test_failed"):
		return fmt.Errorf("%w: it is not as it was when this was planned (%s)", flags.ErrConflict, e.Message)
	case e.Status == http.StatusBadRequest && writes && says("scheduled", "approval", "conflict", "pending"):
		return fmt.Errorf("%w: %s: look at what is pending, then plan it again and say that it may be broken", flags.ErrPending, e.Message)
	case e.Status == http.StatusConflict:
		return fmt.Errorf("%w: another change is being made to it just now (%s)", flags.ErrConflict, e.Message)
	case e.Status == http.StatusForbidden:
		return fmt.Errorf("%w: %w: give its role the action, such as updateOn on proj/%s:env/*:flag/*", flags.ErrForbidden, e, p.opts.Project)
	case e.Status == http.StatusUnprocessableEntity:
		return fmt.Errorf("LaunchDarkly did not understand the change, which is midwatch's fault: %w", e)
	case e.Status == http.StatusTooManyRequests:
		return &flags.RateLimitedError{RetryAfter: rest.RetryAfter(e.Header, p.opts.Clock.Now()), Scope: "all tokens of the account"}
	}
	return nil
}

// missing says what is not there.
func missing(e *rest.StatusError, says func(...string) bool) error {
	switch {
	case says("environment"):
		return fmt.Errorf("%w: %s", flags.ErrNoEnvironment, e.Message)
	case says("project"):
		return fmt.Errorf("%w: %s", flags.ErrNoProject, e.Message)
	}
	return fmt.Errorf("%w: was it archived or deleted? (%s)", flags.ErrNotFound, strings.TrimSuffix(e.Error(), "."))
}
