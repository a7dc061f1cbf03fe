package unleash

import (
	"fmt"
	"net/http"
	"strings"

	"midwatch/flags"
	"midwatch/flags/internal/rest"
)

// explain puts the server's refusals into the words of package flags; nil
// leaves one to the rules that hold for every server.
func (p *Provider) explain(e *rest.StatusError) error {
	says := func(part string) bool { return strings.Contains(e.Message, part) || strings.Contains(e.Code, part) }
	switch {
	case e.Status == http.StatusServiceUnavailable && says("maintenance"):
		return fmt.Errorf("%w: nothing was changed; try again when it is over", flags.ErrMaintenance)
	case e.Status == http.StatusForbidden && says("different token type"):
		return fmt.Errorf("%w: it is of the wrong kind: token wants an admin or personal access token, sdkKey a backend token", flags.ErrToken)
	case e.Status == http.StatusForbidden && (says("CHANGE_REQUEST") || says("change request")):
		return fmt.Errorf("%w: open a change request in Unleash at %s/projects/%s/change-requests (%s)", flags.ErrApproval, p.opts.Address, p.opts.Project, e.Message)
	case e.Status == http.StatusNotFound && says("environment"):
		return fmt.Errorf("%w: %s", flags.ErrNoEnvironment, e.Message)
	case e.Status == http.StatusNotFound && says("NotFound"):
		return fmt.Errorf("%w: %s: was it archived or deleted?", flags.ErrNotFound, strings.TrimSuffix(e.Message, "."))
	case e.Status == http.StatusBadRequest && says("Archived"):
		return fmt.Errorf("%w: it was archived", flags.ErrNotFound)
	// A failed "test" of a JSON patch is an internal error in Unleash 8.2,
	// with the whole strategy as its message.
	case e.Status == http.StatusInternalServerError && says("TEST_OPERATION_FAILED"):
		return fmt.Errorf("%w: the strategy is not as it was when this was planned; nothing was changed", flags.ErrConflict)
	}
	return nil
}
