package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/podconn"
	"midwatch/profiles/decode"
)

// Cause sorts what can go wrong, for a pane that offers the next step.
type Cause string

// The causes.
const (
	NoEndpoint Cause = "no-endpoint" // nothing serves profiles
	NoKind     Cause = "no-kind"     // this kind is not served
	NeedsKey   Cause = "needs-key"   // 401, 403, 422 for want of a key
	Busy       Cause = "busy"        // another profiler did not let go
	NotAllowed Cause = "not-allowed" // the cluster forbids the connection
	Gone       Cause = "gone"        // the pod went away
	NotProfile Cause = "not-profile" // what came is no profile
	Cancelled  Cause = "cancelled"
	ReadOnly   Cause = "read-only"  // a command would have to run, and the session is locked
	NoTool     Cause = "no-tool"    // no profiler is in the container
	NoPtrace   Cause = "no-ptrace"  // the profiler may not read the process
	NotPython  Cause = "not-python" // there is no Python process
	OldTool    Cause = "old-tool"   // the profiler does not know this Python
	Trouble    Cause = "trouble"    // anything else
)

// Error is why there is no profile: one line that says what was tried, why it
// failed, and what to do.
type Error struct {
	Cause Cause
	Kind  Kind
	Pod   k8s.Ref
	Why   string
	Next  string // may be empty
	Err   error  // may be nil
}

// Error is the line.
func (e *Error) Error() string {
	what := "profile"
	if e.Kind != "" {
		what = string(e.Kind) + " profile"
	}
	line := fmt.Sprintf("%s of pod %s/%s: %s", what, e.Pod.Namespace, e.Pod.Name, e.Why)
	if e.Next != "" {
		line += ": " + e.Next
	}
	return foreign.CleanN(line, 700).String()
}

// Helps reports whether an ephemeral container with py-spy would help.
func (e *Error) Helps() bool { return e.Cause == NoTool || e.Cause == NoPtrace }

// Unwrap is what the error was made of.
func (e *Error) Unwrap() error { return e.Err }

func fail(cause Cause, next, why string, args ...any) *Error {
	return &Error{Cause: cause, Why: fmt.Sprintf(why, args...), Next: next}
}

const (
	nextKey  = "press K to give the key for this session, or set profiles.header in the settings"
	nextPort = "name the port in the settings, or with the annotation " + annotationPort
)

// connection explains an error of a request that got no answer.
func connection(ctx context.Context, err error) *Error {
	var denied *podconn.Denied
	var lost *podconn.Error
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errLate):
		return &Error{Cause: Trouble, Why: errLate.Error(), Next: "a proxy or sidecar may hold it back; try fewer seconds", Err: err}
	case ctx.Err() != nil:
		return &Error{Cause: Cancelled, Why: "cancelled; the target's profiler was stopped", Err: context.Cause(ctx)}
	case errors.As(err, &denied):
		return &Error{Cause: NotAllowed, Why: denied.Error(), Next: "ask for it, a profile only reads", Err: err}
	case errors.Is(err, podconn.ErrGone):
		return &Error{Cause: Gone, Why: "the pod is gone", Next: "choose another one", Err: err}
	case errors.Is(err, podconn.ErrRefused):
		return &Error{Cause: NoEndpoint, Why: "nothing listens there", Next: nextPort, Err: err}
	case errors.As(err, &lost):
		return &Error{Cause: Trouble, Why: lost.Err.Error(), Err: err}
	}
	return &Error{Cause: Trouble, Why: err.Error(), Err: err}
}

// status explains an answer that is no profile by its code.
func status(code int, body []byte, e Endpoint) *Error {
	line := firstLine(body)
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity:
		why := "no key was given"
		if len(e.Header) > 0 {
			why = "the key was not accepted"
		}
		return fail(NeedsKey, nextKey, "port %d answers %d %s, %s", e.Port, code, http.StatusText(code), why)
	case http.StatusNotFound:
		return fail(NoKind, "", "port %d does not serve this (404%s)", e.Port, said(line))
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect:
		return fail(NotProfile, nextPort, "port %d redirects to another page, a login perhaps (%d)", e.Port, code)
	}
	return fail(Trouble, "", "port %d answers %d %s%s", e.Port, code, http.StatusText(code), said(line))
}

func said(line string) string {
	if line == "" {
		return ""
	}
	return ", " + line
}

// undecodable explains bytes that are no profile. A web page is never shown.
func undecodable(err error, e Endpoint) *Error {
	var d *decode.Error
	if errors.As(err, &d) && d.Kind == decode.HTML {
		return &Error{Cause: NotProfile, Why: fmt.Sprintf("port %d answered with a web page instead of a profile", e.Port), Next: cmp.Or(nextPort), Err: err}
	}
	return &Error{Cause: NotProfile, Why: fmt.Sprintf("port %d sent no profile that can be read (%v)", e.Port, err), Err: err}
}

func firstLine(body []byte) string {
	for i, c := range body {
		if c == '\n' || i == 200 {
			body = body[:i]
			break
		}
	}
	if len(body) > 0 && body[0] == '<' {
		return "a web page"
	}
	return foreign.CleanN(string(body), 160).String()
}
