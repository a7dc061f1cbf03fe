package unleash

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/live"
	"midwatch/secret"
)

// BenchmarkList2000 is a list of 2,000 flags from the first byte to rows:
// budget 1 s.
func BenchmarkList2000(b *testing.B) {
	body := many(2000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/admin/user":
			_, _ = w.Write([]byte(`{"user":{"username":"dana","id":1}}`))
		case "/api/admin/projects":
			_, _ = w.Write([]byte(`{"projects":[{"id":"default"}]}`))
		case "/api/admin/environments/project/default":
			_, _ = w.Write([]byte(`{"environments":[{"name":"production","type":"production","enabled":true}]}`))
		case "/api/admin/projects/default/features":
			_, _ = w.Write(body)
		default:
			_, _ = w.Write([]byte(`{}`))
		}
	}))
	defer server.Close()
	clock := live.SystemClock{}
	p, err := New(Options{Name: "u", Address: server.URL, Environment: "production", Token: secret.New("token-000"), Lock: action.NewLock(clock, "c", ""), Clock: clock})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		list, err := p.List(b.Context(), "production", flags.Query{})
		if err != nil || len(list) != 2000 {
			b.Fatal(len(list), err)
		}
	}
	if err := p.Close(); err != nil {
		b.Fatal(err)
	}
}
