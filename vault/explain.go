package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"midwatch/action"
	"midwatch/foreign"
)

// maxDetail is how much of what a server said is repeated.
const maxDetail = 240

// explainTransport classifies a request that got no answer.
func (c *Client) explainTransport(tried string, err error) error {
	if refused := (*action.RefusedError)(nil); errors.As(err, &refused) {
		return err // has words of its own
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	e := &Error{Kind: KindUnreachable, Tried: tried, Address: c.shown, Err: err}
	e.Kind, e.Detail = network(err)
	return e
}

func network(err error) (Kind, foreign.Text) {
	var (
		verify  *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
		dns     *net.DNSError
		timeout net.Error
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return KindTimeout, ""
	case errors.As(err, &unknown):
		return KindTLS, "its certificate is signed by an authority this machine does not know"
	case errors.As(err, &verify):
		return KindTLS, foreign.CleanN(verify.Err.Error(), maxDetail)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"), strings.Contains(err.Error(), "tls: oversized"):
		return KindTLS, "it speaks plain HTTP, not TLS"
	case errors.As(err, &dns):
		return KindUnreachable, foreign.CleanN("no such host "+dns.Name, maxDetail)
	}
	return KindUnreachable, foreign.CleanN(innermost(err), maxDetail)
}

// innermost is the last cause's text: "connection refused" and not the whole
// chain with its URL.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			break
		}
		err = next
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// explainAnswer classifies an answer that is not a success. It reads the body,
// which the transport has limited.
func (c *Client) explainAnswer(tried string, need Right, resp *http.Response) *Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what arrived is what there is to say
	e := &Error{Kind: KindRejected, Tried: tried, Address: c.shown, Status: resp.StatusCode}
	said, isVault, withData := vaultErrors(body)
	e.WithData = withData
	e.Detail = foreign.CleanN(strings.Join(said, "; "), maxDetail)
	e.Kind = statusKind(resp.StatusCode, isVault, strings.ToLower(e.Detail.String()))
	switch e.Kind {
	case KindForbidden:
		e.Need = need
	case KindNotVault:
		e.Detail = foreign.CleanN(describeBody(resp, body), maxDetail)
	case KindRateLimited:
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			e.RetryAfter = time.Duration(s) * time.Second
		}
	}
	return e
}

func statusKind(status int, isVault bool, said string) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return KindRateLimited // also from a proxy in front
	case !isVault:
		return KindNotVault
	case status == http.StatusForbidden && (strings.Contains(said, "invalid token") || strings.Contains(said, "bad token")):
		return KindBadToken
	case status == http.StatusForbidden:
		return KindForbidden
	case status == http.StatusNotFound:
		return KindNotFound
	case status == http.StatusServiceUnavailable && strings.Contains(said, "sealed"):
		return KindSealed
	case status == http.StatusNotImplemented:
		return KindUninitialized
	case strings.Contains(said, "active cluster node not found"):
		return KindStandby
	case status == http.StatusBadRequest && strings.Contains(said, "invalid lease"), strings.Contains(said, "lease not found"):
		return KindLeaseGone
	case status == http.StatusBadRequest && strings.Contains(said, "check-and-set"):
		return KindConflict
	case status >= 500:
		return KindBroken
	}
	return KindRejected
}

// vaultErrors reads Vault's {"errors": […]}; ok is false for anything else. A
// 404 of a listing is {"errors":[]}, that of a deleted version of a secret has
// data instead.
func vaultErrors(body []byte) (said []string, ok, withData bool) {
	var answer struct {
		Errors *[]string `json:"errors"`
		Data   *struct{} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, false, false
	}
	if answer.Errors == nil {
		return nil, answer.Data != nil, answer.Data != nil
	}
	for _, e := range *answer.Errors {
		said = append(said, oneLine(e))
	}
	return said, true, false
}

// multiError is the head of hashicorp/go-multierror's text, in which most of
// Vault's refusals come: "2 errors occurred:\n\t* permission denied\n\t* …".
var multiError = regexp.MustCompile(`^\d+ errors? occurred:\s*`)

func oneLine(s string) string {
	if head := multiError.FindString(s); head != "" {
		s = strings.ReplaceAll(strings.TrimPrefix(s, head), "\n\t* ", ", ")
		s = strings.TrimPrefix(s, "* ")
	}
	return strings.Join(strings.Fields(s), " ")
}

// describeBody says what kind of thing answered, and never repeats it.
func describeBody(resp *http.Response, body []byte) string {
	trimmed := bytes.ToLower(bytes.TrimSpace(body))
	kind := "something that is not JSON"
	switch {
	case bytes.HasPrefix(trimmed, []byte("<!doctype html")), bytes.HasPrefix(trimmed, []byte("<html")), strings.Contains(resp.Header.Get("Content-Type"), "text/html"):
		kind = "a web page"
	case len(trimmed) == 0:
		kind = "nothing"
	}
	return "it sent " + kind + " with status " + strconv.Itoa(resp.StatusCode)
}
