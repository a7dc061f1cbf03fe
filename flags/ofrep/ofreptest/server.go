// Package ofreptest is a server of the OpenFeature Remote Evaluation Protocol in
// this process, for tests.
package ofreptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Token is the bearer token that the server wants.
const Token = "ofrep-canary-77e1-token"

// Server speaks the protocol as flagd does: bulk and single evaluation, ETag,
// 404 for a flag that is off, 400 with an error code, 401 that repeats the
// token. Its fields are changed within [Server.Set].
type Server struct {
	*httptest.Server
	// Color is what the flag color evaluates to.
	Color string
	// Down is the HTTP status that everything is answered with; 0 for none.
	Down int

	mu sync.Mutex
}

// New starts a server; it ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{Color: "blue"}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Down != 0 {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(s.Down)
		fmt.Fprint(w, "<html>down</html>")
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+Token {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"errorDetails":"bad token %s"}`, r.Header.Get("Authorization"))
		return
	}
	var body struct {
		Context map[string]any `json:"context"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	all := map[string]string{
		"color":  fmt.Sprintf(`{"key":"color","value":%q,"variant":%q,"reason":"STATIC","metadata":{"flagSetId":"shop"}}`, s.Color, s.Color),
		"vip":    fmt.Sprintf(`{"key":"vip","value":%v,"variant":"x","reason":"TARGETING_MATCH"}`, body.Context["plan"] == "pro"),
		"broken": `{"key":"broken","errorCode":"PARSE_ERROR","errorDetails":"bad targeting"}`,
	}
	if key, one := strings.CutPrefix(r.URL.Path, "/ofrep/v1/evaluate/flags/"); one {
		switch answer, ok := all[key]; {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"key":%q,"errorCode":"FLAG_NOT_FOUND","errorDetails":"flag %s is not found"}`, key, key)
		case key == "broken":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, answer)
		default:
			fmt.Fprint(w, answer)
		}
		return
	}
	tag := fmt.Sprintf("%q", s.Color+fmt.Sprint(body.Context))
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("ETag", tag)
	fmt.Fprintf(w, `{"flags":[%s,%s,%s]}`, all["color"], all["vip"], all["broken"])
}

// Set changes the server's behaviour.
func (s *Server) Set(how func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how()
}
