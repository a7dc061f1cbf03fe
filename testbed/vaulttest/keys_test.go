package vaulttest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestAQuarterMillionKeys lets the binary list 250,000 leases of a server that
// only has their names, and looks at its memory. The real server takes minutes
// to make them: see TestAQuarterMillionLeases, with the build tag scale.
func TestAQuarterMillionKeys(t *testing.T) {
	const keys = 250_000
	var list bytes.Buffer
	list.WriteString(`{"request_id":"x","data":{"keys":["first"`)
	for i := 1; i < keys; i++ {
		fmt.Fprintf(&list, `,"%024d"`, i)
	}
	list.WriteString(`]}}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Query().Get("list") == "true":
			_, _ = w.Write(list.Bytes()) // the client may have gone
		case strings.HasSuffix(r.URL.Path, "/health"):
			_, _ = io.WriteString(w, `{"initialized":true,"version":"1.21.4"}`)
		case strings.HasSuffix(r.URL.Path, "/lookup-self"):
			_, _ = io.WriteString(w, `{"data":{"display_name":"x","policies":["default"]}}`)
		case r.Method == http.MethodPut:
			_, _ = io.WriteString(w, `{"data":{"issue_time":"2026-11-27T00:00:00Z","expire_time":"2099-11-28T00:00:00Z","renewable":true}}`)
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":["permission denied"]}`)
		}
	}))
	defer server.Close()
	begun := time.Now()
	r := midwatch(t, []string{"VAULT_ADDR=" + server.URL, "VAULT_TOKEN=x"}, "secrets", "leases", "leased/app/")
	if r.code != 0 || !strings.Contains(r.out, "Estimated from 200 of 250000 leases") {
		t.Fatalf("exit %d\n%.600s%s", r.code, r.out, r.err)
	}
	t.Logf("listed %d and looked 200 up in %v, at most %d MiB", keys, time.Since(begun).Round(10*time.Millisecond), r.maxRSS>>20)
	if runtime.GOOS == "linux" && (r.maxRSS == 0 || r.maxRSS > 150<<20) {
		t.Errorf("%d MiB resident, want at most 150", r.maxRSS>>20)
	}
}
