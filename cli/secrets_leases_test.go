package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestLeasesOfTheDemo(t *testing.T) {
	r := run(t, "secrets", "leases", "--demo", "-o", "json")
	if r.code != 1 {
		t.Fatalf("exit %d, want 1: leases of the demo are in trouble\n%s", r.code, r.err)
	}
	schema, err := jsonschema.NewCompiler().Compile("../docs/schema/leases.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(r.out))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, r.out)
	}
	var got struct {
		Leases []struct {
			Path, State, Error string
			TTL                int
		}
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for i, l := range got.Leases {
		states[l.State]++
		if i > 1 && l.TTL < got.Leases[i-1].TTL {
			t.Errorf("%s ends before the one above it", l.Path)
		}
	}
	if first := got.Leases[0]; first.State != "irrevocable" || !strings.Contains(first.Error, "connection refused") {
		t.Errorf("first is %+v", first)
	}
	if states["never renewed"] != 1 || states["non-renewable"] != 1 || states["healthy"]+states["renewal window"] < 4 {
		t.Errorf("states %v", states)
	}
}

func TestLeasesArguments(t *testing.T) {
	if r := run(t, "secrets", "leases", "--demo", "database/creds/"); r.code != 0 || !strings.Contains(r.out, "below: database/creds/fastapi/") {
		t.Errorf("a prefix: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := run(t, "secrets", "leases", "--demo", "--sample", "1", "database/creds/payments-api/"); !strings.Contains(r.out, "Estimated from 1 of 3") {
		t.Errorf("a sample: exit %d\n%s%s", r.code, r.out, r.err)
	}
	gone := run(t, "secrets", "leases", "--demo", "database/creds/fastapi/AAAAAAAAAAAAAAAAAAAAAAAA")
	if gone.code != 0 || !strings.Contains(gone.out, "gone") {
		t.Errorf("a lease that is gone: exit %d\n%s%s", gone.code, gone.out, gone.err)
	}
}

func TestLeasesBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no Vault":     {[]string{"secrets", "leases"}, "Set VAULT_ADDR"},
		"output":       {[]string{"secrets", "leases", "-o", "xml"}, "table or json"},
		"sample":       {[]string{"secrets", "leases", "--sample", "0"}, "1 to 10000"},
		"other prefix": {[]string{"secrets", "leases", "--demo", "--context", "demo-eu"}, "Set VAULT_ADDR"},
		"argument":     {[]string{"secrets", "nonsense"}, "unknown"},
	} {
		r := run(t, c.args...)
		if r.code != 2 || !strings.Contains(r.err, c.says) || strings.Contains(r.err, "goroutine") {
			t.Errorf("%s: exit %d, %s", name, r.code, r.err)
		}
	}
}
