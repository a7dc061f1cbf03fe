package connect

import (
	"fmt"
	"strings"
	"time"

	"midwatch/foreign"
)

// KubeconfigError means that the configuration is missing, unreadable or
// inconsistent.
type KubeconfigError struct {
	// Files is where it was looked for, in order.
	Files []string
	// Context is the context that could not be used, if it came to that.
	Context string
	Err     error
}

// Error names the files.
func (e *KubeconfigError) Error() string {
	return fmt.Sprintf("read kubeconfig (%s): %v", strings.Join(e.Files, ", "), e.Err)
}

// Unwrap returns the cause.
func (e *KubeconfigError) Unwrap() error { return e.Err }

// ContextError means that there is no context of that name, or, with an empty
// name, that none is the current one.
type ContextError struct {
	Name  string
	Known []string // sorted
	Files []string
}

// Error names the context.
func (e *ContextError) Error() string {
	if e.Name == "" {
		return "no current context"
	}
	return fmt.Sprintf("no context %q", e.Name)
}

// OpenError says which cluster could not be opened.
type OpenError struct {
	Context string
	Server  string // URL; empty when the configuration did not say
	Files   []string
	Err     error
}

// Error names context and server.
func (e *OpenError) Error() string {
	return fmt.Sprintf("open context %q (%s): %v", e.Context, e.Server, e.Err)
}

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// TimeoutError means that the server could not be reached in time, or was
// reached and then said nothing.
type TimeoutError struct {
	Host  string
	After time.Duration
	// Connected tells the two apart.
	Connected bool
}

// Error says what was waited for.
func (e *TimeoutError) Error() string {
	if e.Connected {
		return fmt.Sprintf("%s said nothing for %s", e.Host, e.After)
	}
	return fmt.Sprintf("no connection to %s within %s", e.Host, e.After)
}

// Timeout marks it as one for client-go, which tries again (net.Error).
func (e *TimeoutError) Timeout() bool { return true }

// Temporary is part of net.Error.
func (e *TimeoutError) Temporary() bool { return true }

// NotKubernetesError means that a web page was answered where the API was
// expected: a login portal, or a proxy's error page. The page itself is not
// kept.
type NotKubernetesError struct {
	URL    string // where the page came from, after redirects, without query
	Status int
	Title  foreign.Text // the page's title, if it has one
}

// Error says what was answered.
func (e *NotKubernetesError) Error() string {
	what := fmt.Sprintf("%s answered with a web page (HTTP %d", e.URL, e.Status)
	if e.Title != "" {
		what += fmt.Sprintf(", %q", e.Title)
	}
	return what + "), not as a Kubernetes API server"
}

// LoginError means that the credential plugin did not give credentials.
type LoginError struct {
	// Command is the plugin's, as the kubeconfig names it.
	Command string
	// Said is the last line the plugin wrote to standard error; empty when
	// it wrote none or nobody listened.
	Said foreign.Text
	// Hint is the kubeconfig's own advice on how to install the plugin.
	Hint foreign.Text
	Err  error
}

// Error is the cause's first line with what the plugin said.
func (e *LoginError) Error() string {
	line, _, _ := strings.Cut(e.Err.Error(), "\n")
	if e.Said != "" {
		return fmt.Sprintf("%s: %s", line, e.Said)
	}
	return line
}

// Unwrap returns the cause.
func (e *LoginError) Unwrap() error { return e.Err }
