package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"midwatch/action"
	"midwatch/flags"
)

// StatusError is a refusal: any answer that is not a success.
type StatusError struct {
	Status int
	Method string
	// Writes says that the request may have changed something.
	Writes bool
	// Code and Name are the server's own words for the kind of error, Message
	// what it said, cleaned; empty when it answered with a page.
	Code, Message string
	Header        http.Header
	// Body is what was sent as JSON, without the token, for those who look for
	// more in it.
	Body []byte
	page bool
}

// Error says what the server said.
func (e *StatusError) Error() string {
	status := fmt.Sprintf("HTTP %d %s", e.Status, http.StatusText(e.Status))
	switch {
	case e.Message != "":
		return fmt.Sprintf("%s (%s)", e.Message, strings.TrimSpace(status))
	case e.page:
		return strings.TrimSpace(status) + ", with a web page instead of data"
	}
	return strings.TrimSpace(status)
}

// refusal reads why, and turns it into the error the user gets.
func (c *Client) refusal(call Call, resp *http.Response) error {
	e := &StatusError{Status: resp.StatusCode, Method: call.Method, Writes: call.writes(), Header: resp.Header, page: isPage(resp.Header)}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err == nil && !e.page {
		e.Body = []byte(c.scrub(string(raw)))
		e.Code, e.Message = message(e.Body)
		e.Code, e.Message = c.clean(e.Code), c.clean(e.Message)
	}
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		return fmt.Errorf("%s answered with a redirect, which is not followed with a token: is it the right address?", c.Base)
	}
	if c.Explain != nil {
		if err := c.Explain(e); err != nil {
			return err
		}
	}
	return c.explain(e)
}

// message finds the text in the shapes servers use: LaunchDarkly {code,
// message}, Unleash {name, message, details:[{message}]}, OFREP {errorCode,
// errorDetails}.
func message(raw []byte) (code, text string) {
	var m struct {
		Code         string `json:"code"`
		Name         string `json:"name"`
		ErrorCode    string `json:"errorCode"`
		Message      string `json:"message"`
		Error        any    `json:"error"`
		ErrorDetails string `json:"errorDetails"`
		Details      []struct {
			Message     string `json:"message"`
			Description string `json:"description"`
		} `json:"details"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", ""
	}
	code, text = first(m.Code, m.Name, m.ErrorCode), first(m.Message, m.ErrorDetails)
	if text == "" {
		text, _ = m.Error.(string)
	}
	for _, d := range m.Details {
		if more := first(d.Message, d.Description); more != "" && !strings.Contains(text, more) {
			text = strings.TrimSuffix(text, ".") + ": " + more
			break
		}
	}
	return code, text
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// explain is what a status means with any server.
func (c *Client) explain(e *StatusError) error {
	switch {
	case e.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w: it is wrong or has expired; put a new one into %s", flags.ErrToken, e, orElse(c.TokenFrom, "the settings"))
	case e.Status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", flags.ErrForbidden, e)
	case e.Status == http.StatusNotFound:
		return fmt.Errorf("%w: %w", flags.ErrNotFound, e)
	case e.Status == http.StatusConflict:
		return fmt.Errorf("%w: %w", flags.ErrConflict, e)
	case e.Status == http.StatusTooManyRequests:
		return &flags.RateLimitedError{RetryAfter: RetryAfter(e.Header, c.Now())}
	case e.Status >= 500 && !e.Writes:
		return fmt.Errorf("%s %w: %w", c.Base, flags.ErrUnreachable, e)
	case e.Status >= 500:
		// A gateway may have given up on a server that carries on.
		return fmt.Errorf("%w: %w", action.ErrUnsure, e)
	}
	return e
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// RetryAfter reads how long to wait from Retry-After (RFC 9110 10.2.3: seconds
// or a date) or LaunchDarkly's X-Ratelimit-Reset (milliseconds since 1970).
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if v := h.Get("Retry-After"); v != "" {
		if s, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
			return time.Duration(max(s, 0)) * time.Second
		}
		if at, err := http.ParseTime(v); err == nil {
			return max(at.Sub(now), 0)
		}
	}
	if ms, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
		return max(time.UnixMilli(ms).Sub(now), 0)
	}
	return 0
}
