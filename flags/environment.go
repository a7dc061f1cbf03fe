package flags

import "midwatch/foreign"

// Environment is one of a project's environments, with what it asks for
// before a change. LaunchDarkly holds Confirm and RequireComment up in its own
// web page only, not in its API: a client has to do it itself.
type Environment struct {
	Key  string
	Name foreign.Text
	// Production is true for a critical environment (LaunchDarkly) and one of
	// type production (Unleash).
	Production bool
	// Confirm asks for the flag's key to be typed, RequireComment for a reason.
	Confirm, RequireComment bool
	// Approval is what a change needs from other people.
	Approval Approval
	// Disabled environments serve nothing (Unleash).
	Disabled bool
}

// Guarded reports whether a change here has to be typed and reasoned for.
func (e Environment) Guarded() bool { return e.Production || e.Confirm || e.RequireComment }

// Approval says whether others have to agree to a change first.
type Approval struct {
	Required bool
	// Min is how many; 0 when not known.
	Min int
}
