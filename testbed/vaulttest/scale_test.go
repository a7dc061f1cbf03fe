//go:build scale

package vaulttest

import (
	"encoding/json"
	"testing"
	"time"

	"midwatch/testbed"
)

// TestAQuarterMillionLeases lists them with the binary and looks at its memory.
// cd testbed && go test -tags scale -run QuarterMillionLeases -v ./vaulttest
func TestAQuarterMillionLeases(t *testing.T) {
	v, err := testbed.StartVault(t.Context(), testbed.VaultOptions{NoAudit: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for name, n := range map[string]int{"small": 10_000, "large": 250_000} {
		begun := time.Now()
		if err := v.ManyLeases(t.Context(), name, n); err != nil {
			t.Fatal(err)
		}
		t.Logf("made %d leases in %v", n, time.Since(begun).Round(time.Second))
		begun = time.Now()
		r := midwatch(t, []string{"VAULT_ADDR=" + v.Addr, "VAULT_TOKEN=" + v.Root}, "secrets", "leases", "-o", "json", "leased/"+name+"/")
		var doc struct {
			Total     int
			Sampled   bool
			Leases    []struct{ State string }
			Histogram []struct {
				Label    string
				Estimate int
			}
		}
		if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
			t.Fatalf("exit %d, %v\n%.400s%s", r.code, err, r.out, r.err)
		}
		if doc.Total != n || !doc.Sampled || len(doc.Leases) != 200 {
			t.Errorf("total %d, sampled %v of %d", doc.Total, doc.Sampled, len(doc.Leases))
		}
		t.Logf("listed %d leases and looked 200 up in %v, at most %d MiB", n, time.Since(begun).Round(time.Millisecond), r.maxRSS>>20)
		if r.maxRSS > 150<<20 {
			t.Errorf("%d MiB", r.maxRSS>>20)
		}
	}
}
