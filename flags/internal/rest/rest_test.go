package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/live"
	"midwatch/secret"
)

const canary = "rest-canary-5d20-token"

var at = time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)

func client(t *testing.T, handler http.HandlerFunc) (*Client, *action.Lock) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	lock := action.NewLock(live.SystemClock{}, "c", "")
	return &Client{
		Provider: "own", Base: server.URL, Token: secret.New(canary), TokenFrom: "$TOKEN",
		HTTP: NewHTTP(action.Transport(http.DefaultTransport, lock)), Now: func() time.Time { return at },
	}, lock
}

// TestErrorsAreOneLineWithoutTheTokenOrThePage has the answers of broken
// servers and of those in between.
func TestErrorsAreOneLineWithoutTheTokenOrThePage(t *testing.T) {
	answer := func(status int, kind, body string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, strings.ReplaceAll(body, "TOKEN", r.Header.Get("Authorization")))
		}
	}
	js, page := "application/json", "text/html; charset=utf-8"
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		is     error
		says   string
	}{
		"token refused":      {answer(401, js, `{"message":"your token TOKEN is unknown"}`), flags.ErrToken, "put a new one into $TOKEN"},
		"a role too small":   {answer(403, js, `{"name":"NoAccess","message":"you need ADMIN"}`), flags.ErrForbidden, "you need ADMIN (HTTP 403 Forbidden)"},
		"details":            {answer(400, js, `{"message":"bad.","details":[{"message":"name is missing"}]}`), nil, "bad: name is missing"},
		"a login page":       {answer(200, page, `<html>log in TOKEN</html>`), nil, "web page instead of data"},
		"a gateway's page":   {answer(502, page, `<html>bad gateway</html>`), flags.ErrUnreachable, "HTTP 502"},
		"a redirect":         {answer(302, page, "", "Location", "https://elsewhere.example/"), nil, "redirect, which is not followed with a token"},
		"rate limited":       {answer(429, "text/plain", "slow down", "Retry-After", "12"), nil, "try again in 12s"},
		"rate limited, date": {answer(429, js, "{}", "Retry-After", at.Add(90*time.Second).Format(http.TimeFormat)), nil, "try again in 1m30s"},
		"rate limited, ms":   {answer(429, js, "{}", "X-Ratelimit-Reset", fmt.Sprint(at.Add(5*time.Second).UnixMilli())), nil, "try again in 5s"},
		"cut short":          {answer(200, js, `{"a": [1, 2`), flags.ErrUnreachable, "ends too early"},
		"not JSON":           {answer(200, js, "\x1b[2Jnope TOKEN"), nil, "cannot be read"},
		"control characters": {answer(400, js, `{"message":"a\u001b[31mb\nc"}`), nil, "a␛[31mb c"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := client(t, tc.answer)
			var out map[string]any
			_, err := c.Do(t.Context(), Call{Doing: "read it", Path: "/x", Out: &out})
			if err == nil || tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("got %v, want %q", err, tc.says)
			}
			if text := err.Error(); strings.Contains(text, "canary") || strings.Contains(text, "<html") || strings.ContainsAny(text, "\n\x1b") || !strings.HasPrefix(text, "own: read it: ") {
				t.Errorf("got %q", text)
			}
		})
	}
}

// TestABodyIsKeptWithoutTheToken: some look for more in it than the message.
func TestABodyIsKeptWithoutTheToken(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"errorCode":"GENERAL","errorDetails":"bad token %s"}`, r.Header.Get("Authorization"))
	})
	_, err := c.Do(t.Context(), Call{Doing: "ask", Path: "/x"})
	var refused *StatusError
	if !errors.As(err, &refused) || len(refused.Body) == 0 || strings.Contains(string(refused.Body), "canary") {
		t.Errorf("%v, body %q", err, refused.Body)
	}
}

func TestWritesAreUnsureOnlyWhenTheyMayHaveHappened(t *testing.T) {
	c, lock := client(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/gateway":
			w.WriteHeader(http.StatusGatewayTimeout)
		default:
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	})
	gate := action.NewGate(lock, nowhere{}, live.SystemClock{}, "dana")
	lock.Open()
	write := func(path string) error {
		var got error
		p := action.New(action.Plan{Verb: "write", Target: action.Target{Context: "c", Kind: "Flag", Name: "x"}}, action.Steps{Apply: func(ctx context.Context) error {
			_, got = c.Do(ctx, Call{Doing: "write", Method: http.MethodPost, Path: path, Body: map[string]any{}})
			return got
		}})
		_, _ = gate.Run(t.Context(), p, action.Confirmation{})
		return got
	}
	for path, unsure := range map[string]bool{"/cut": true, "/gateway": true, "/refused": false} {
		if err := write(path); err == nil || errors.Is(err, action.ErrUnsure) != unsure {
			t.Errorf("%s: %v", path, err)
		}
	}
	// A question is no write, whatever its method.
	for _, path := range []string{"/cut", "/gateway"} {
		ask := func() error {
			_, err := c.Do(t.Context(), Call{Doing: "ask", Method: http.MethodPost, Asks: true, Path: path, Body: map[string]any{}})
			return err
		}
		c.HTTP = NewHTTP(http.DefaultTransport)
		if err := ask(); !errors.Is(err, flags.ErrUnreachable) || errors.Is(err, action.ErrUnsure) {
			t.Errorf("%s, asked: %v", path, err)
		}
	}
	c.HTTP = NewHTTP(action.Transport(http.DefaultTransport, lock))
	c.Base = "http://127.0.0.1:1"
	if err := write("/nobody"); !errors.Is(err, flags.ErrUnreachable) || errors.Is(err, action.ErrUnsure) {
		t.Errorf("nobody there: %v", err)
	}
	lock.Lock()
	_, err := c.Do(t.Context(), Call{Doing: "write", Method: http.MethodPost, Path: "/x"})
	if !errors.Is(err, action.ErrLocked) {
		t.Errorf("while locked: %v", err)
	}
}

// nowhere is a journal for tests that do not look at it.
type nowhere struct{}

func (nowhere) Append(context.Context, action.Entry) error { return nil }

func TestPathsAreEscaped(t *testing.T) {
	if got := Path("api", "a/b?c", "d e"); got != "/api/a%2Fb%3Fc/d%20e" {
		t.Error(got)
	}
	if got := BasePath("https://x.example/flags/unleash"); got != "/flags/unleash" {
		t.Error(got)
	}
}

func TestATransportWithABadAuthorityFileSaysSo(t *testing.T) {
	if _, err := NewTransport("/nonexistent/ca.pem"); err == nil || !strings.Contains(err.Error(), "read the authorities") {
		t.Errorf("got %v", err)
	}
}
