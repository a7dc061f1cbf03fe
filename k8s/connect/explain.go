package connect

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/foreign"
)

// Kind groups problems by what has to be done about them.
type Kind string

// The kinds of problem.
const (
	KindOther         Kind = ""
	KindKubeconfig    Kind = "kubeconfig"     // missing, unreadable, inconsistent
	KindContext       Kind = "context"        // no such context
	KindUnreachable   Kind = "unreachable"    // refused, timeout, DNS, cut
	KindTLS           Kind = "tls"            // the server's certificate, or no TLS at all
	KindLogin         Kind = "login"          // 401, or the credential plugin failed
	KindTerminal      Kind = "terminal"       // the credential plugin has to ask on a terminal
	KindForbidden     Kind = "forbidden"      // 403
	KindNotKubernetes Kind = "not-kubernetes" // a web page, or something else that is no API server
	KindBusy          Kind = "busy"           // 429, 503, 504: there, but not now
	KindNotFound      Kind = "not-found"      // 404
)

// Problem is an error in words. All of it has been cleaned.
type Problem struct {
	Kind Kind
	// What went wrong, with what was tried: "cannot reach https://… (context eu)".
	What string
	// Why it did: "connection refused". May be empty.
	Why string
	// Next is what to do about it. May be empty, may have several lines.
	Next string
}

// Line is What and Why on one line.
func (p Problem) Line() string {
	if p.Why == "" {
		return p.What
	}
	return p.What + ": " + p.Why
}

// Explain puts any error of this domain into words. It never repeats a web
// page, and of an error of several lines it keeps the first.
func Explain(err error) Problem {
	if err == nil {
		return Problem{}
	}
	var where OpenError
	if open := (*OpenError)(nil); errors.As(err, &open) {
		where = *open
	}
	for _, explain := range []func(error, *OpenError) (Problem, bool){
		explainConfig, explainLogin, explainPage, explainTLS, explainNetwork, explainStatus,
	} {
		if p, ok := explain(err, &where); ok {
			return p.clean()
		}
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return Problem{What: line}.clean()
}

func (p Problem) clean() Problem {
	p.What = foreign.CleanN(p.What, 600).String()
	p.Why = foreign.CleanN(p.Why, 600).String()
	p.Next = foreign.CleanBlock(p.Next, 2000).String()
	return p
}

// at says which server, as which context.
func (e *OpenError) at() string {
	switch {
	case e.Server == "" && e.Context == "":
		return "the API server"
	case e.Server == "":
		return fmt.Sprintf("context %q", e.Context)
	case e.Context == "" || e.Context == e.Server:
		return e.Server
	}
	return fmt.Sprintf("%s (context %q)", e.Server, e.Context)
}

// from says which file to look into.
func (e *OpenError) from() string {
	if len(e.Files) == 0 {
		return ""
	}
	return " The address comes from " + strings.Join(e.Files, ", ") + "."
}

func explainConfig(err error, _ *OpenError) (Problem, bool) {
	if context := (*ContextError)(nil); errors.As(err, &context) {
		return explainContext(context), true
	}
	config := (*KubeconfigError)(nil)
	if !errors.As(err, &config) {
		return Problem{}, false
	}
	where := strings.Join(config.Files, ", ")
	if errors.Is(err, errNoKubeconfig) {
		return Problem{
			Kind: KindKubeconfig, What: "no kubeconfig", Why: "nothing usable in " + cmp.Or(where, "$KUBECONFIG or ~/.kube/config"),
			Next: "Pass --kubeconfig FILE, set KUBECONFIG, or look around with `midwatch demo`.",
		}, true
	}
	p := Problem{Kind: KindKubeconfig, What: "cannot use the kubeconfig", Why: firstLine(config.Err.Error()),
		Next: "Read from " + cmp.Or(where, "memory") + "."}
	if config.Context != "" {
		p.What = fmt.Sprintf("cannot use context %q", config.Context)
	}
	return p, true
}

func explainContext(e *ContextError) Problem {
	p := Problem{Kind: KindContext, What: fmt.Sprintf("no context %q", e.Name), Why: "not in " + strings.Join(e.Files, ", ")}
	if e.Name == "" {
		p.What, p.Why = "no current context", "the kubeconfig names none"
		p.Next = "Choose one with --context: " + listed(e.Known, 10) + "."
		return p
	}
	if len(e.Files) == 0 {
		p.Why = ""
	}
	switch near := nearest(e.Name, e.Known); {
	case len(e.Known) == 0:
		p.Next = "The kubeconfig has no contexts at all."
	case len(near) > 0:
		p.Next = "Did you mean " + listed(near, 3) + "?"
	default:
		p.Next = "There are: " + listed(e.Known, 10) + "."
	}
	return p
}

func listed(all []string, most int) string {
	if len(all) > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d more", len(all)-most)
	}
	return strings.Join(all, ", ")
}

// nearest finds the names that may have been meant: those that contain what
// was typed, or differ from it by a slip or two.
func nearest(typed string, known []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	low := strings.ToLower(typed)
	for _, name := range known {
		other := strings.ToLower(name)
		d := distance(low, other)
		switch {
		case strings.Contains(other, low), strings.Contains(low, other):
			near = append(near, candidate{name, min(d, 1)})
		case d <= max(len(typed)/4, 1)+1:
			near = append(near, candidate{name, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	names := make([]string, len(near))
	for i, c := range near {
		names[i] = c.name
	}
	return names
}

// distance is Levenshtein's, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func explainPage(err error, where *OpenError) (Problem, bool) {
	page := (*NotKubernetesError)(nil)
	if !errors.As(err, &page) {
		return Problem{}, false
	}
	p := Problem{
		Kind: KindNotKubernetes, What: page.URL + " is not a Kubernetes API server",
		Why:  fmt.Sprintf("it answered with a web page (HTTP %d %s)", page.Status, http.StatusText(page.Status)),
		Next: "Check the server's address and HTTPS_PROXY." + where.from(),
	}
	if page.Title != "" {
		p.Why = fmt.Sprintf("it answered with a web page, %q (HTTP %d)", page.Title, page.Status)
	}
	switch {
	case page.Status == http.StatusBadGateway, page.Status == http.StatusServiceUnavailable, page.Status == http.StatusGatewayTimeout:
		p.Kind, p.What = KindUnreachable, "the proxy in front of the API server cannot reach it"
		p.Next = "Is the API server up? The proxy is " + page.URL + "."
	case page.Status == http.StatusUnauthorized, page.Status < 400:
		p.Next = "It may be a login page: log in to the VPN, the proxy or the portal first." + where.from()
	}
	return p, true
}

func explainStatus(err error, where *OpenError) (Problem, bool) {
	if errors.Is(err, errUnauthorized) {
		return unauthorized(where), true
	}
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) {
		return Problem{}, false
	}
	s := status.Status()
	switch s.Code {
	case http.StatusUnauthorized:
		return unauthorized(where), true
	case http.StatusForbidden:
		return Problem{
			Kind: KindForbidden, What: "forbidden", Why: denied(s.Message),
			Next: "Ask for the right, or narrow the view: -n NAMESPACE, --context, --as.",
		}, true
	case http.StatusTooManyRequests:
		return Problem{Kind: KindBusy, What: "the API server is too busy (HTTP 429)", Why: saidNothingNew(s), Next: retry(s)}, true
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Problem{Kind: KindBusy, What: fmt.Sprintf("the API server cannot answer now (HTTP %d)", s.Code), Why: saidNothingNew(s), Next: retry(s)}, true
	case http.StatusNotFound:
		return Problem{Kind: KindNotFound, What: firstLine(s.Message)}, true
	}
	return Problem{What: firstLine(s.Message)}, true
}

// errUnauthorized stands for a 401 whose body was left to the caller.
var errUnauthorized = errors.New("unauthorized")

func unauthorized(where *OpenError) Problem {
	return Problem{
		Kind: KindLogin, What: "login failed", Why: where.at() + " does not accept the credentials (HTTP 401)",
		Next: "The token may have expired: log in again, then retry. `kubectl auth whoami` shows what kubectl gets.",
	}
}

// denied drops what stands before the point in the API server's words:
// `pods is forbidden: User "x" cannot list resource "pods" in …`.
func denied(message string) string {
	if _, after, found := strings.Cut(firstLine(message), " is forbidden: "); found {
		return after
	}
	return firstLine(message)
}

// saidNothingNew keeps a server's message unless it only repeats the code.
func saidNothingNew(s metav1.Status) string {
	message := firstLine(s.Message)
	for _, known := range []string{"the server has received too many requests", "the server is currently unable to handle the request", "Too many requests"} {
		if strings.HasPrefix(message, known) {
			return ""
		}
	}
	return message
}

func retry(s metav1.Status) string {
	if s.Details != nil && s.Details.RetryAfterSeconds > 0 {
		return fmt.Sprintf("It asks to wait %s.", time.Duration(s.Details.RetryAfterSeconds)*time.Second)
	}
	return "Try again in a moment."
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// isCut reports a connection, or an HTTP/2 stream, that ended in the middle.
// net/http's own HTTP/2 errors have no exported type.
func isCut(err error) bool {
	text := err.Error()
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		strings.Contains(text, "stream error: stream ID") || strings.Contains(text, "http2: client connection lost") ||
		strings.Contains(text, "http2: server sent GOAWAY")
}
