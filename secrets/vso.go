package secrets

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
)

// renewalPercent is the Vault Secrets Operator's default of
// spec.renewalPercent.
const renewalPercent = 67

// FromVSO reads a VaultStaticSecret, VaultDynamicSecret or VaultPKISecret of
// secrets.hashicorp.com/v1beta1 by their public fields.
func FromVSO(o *unstructured.Unstructured, now time.Time) Origin {
	origin := Origin{
		Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName(), Target: str(o, "spec", "destination", "name"),
		Role: foreign.Clean(str(o, "spec", "role")), Paths: cleaned([]string{vsoPath(o)}), Restarts: vsoRestarts(o),
	}
	if auth := str(o, "spec", "vaultAuthRef"); auth != "" {
		origin.Store = foreign.Clean("VaultAuth " + auth)
	}
	if raw := str(o, "spec", "refreshAfter"); raw != "" {
		origin.Every, _ = time.ParseDuration(raw)
	}
	origin.LeaseID = str(o, "status", "secretLease", "id")
	origin.Lease = foreign.Clean(origin.LeaseID)
	origin.LeaseFor = time.Duration(number(o, "status", "secretLease", "duration")) * time.Second
	origin.Renewable = boolean(o, "status", "secretLease", "renewable")
	if at := number(o, "status", "lastRenewalTime"); at > 0 {
		origin.Synced = time.Unix(at, 0).UTC()
	}
	if origin.Lease != "" && origin.LeaseFor > 0 && !origin.Synced.IsZero() {
		origin.Next = origin.Synced.Add(origin.LeaseFor * time.Duration(renewPercent(o)) / 100)
	}
	origin.judgeVSO(conditions(o), now)
	return origin
}

// judgeVSO goes by the conditions, and by the lease: an operator that says
// Ready about a lease that has run out is wrong.
func (o *Origin) judgeVSO(all map[string]condition, now time.Time) {
	for _, typ := range []string{"SecretSynced", "Healthy", "Ready"} {
		if c, ok := all[typ]; ok && c.status == "False" {
			o.State, o.Reason, o.Message = SyncFailed, c.reason, c.message
			return
		}
	}
	if ends := o.Synced.Add(o.LeaseFor); o.Lease != "" && o.LeaseFor > 0 && !o.Synced.IsZero() {
		if now.After(ends) {
			o.State, o.Reason = SyncOverdue, "LeaseOver"
			o.Message = "the operator says nothing is wrong, but the lease it holds has run out"
			return
		}
		o.Recheck = ends.Add(time.Second)
	}
	o.State = SyncOK
	if len(all) == 0 && o.Synced.IsZero() {
		o.State, o.Reason, o.Message = SyncIgnored, "NoStatus", "the operator has said nothing about it yet"
	}
}

// vsoPath is mount/path for KV, mount/creds/role for dynamic and mount/issue/role for PKI.
func vsoPath(o *unstructured.Unstructured) string {
	mount, path := str(o, "spec", "mount"), str(o, "spec", "path")
	switch {
	case path != "":
		return strings.Trim(mount, "/") + "/" + strings.Trim(path, "/")
	case o.GetKind() == "VaultPKISecret":
		return strings.Trim(mount, "/") + "/issue/" + str(o, "spec", "role")
	}
	return mount
}

func vsoRestarts(o *unstructured.Unstructured) []foreign.Text {
	var names []string
	for _, m := range maps(o, "spec", "rolloutRestartTargets") {
		names = append(names, text(m, "kind")+"/"+text(m, "name"))
	}
	return cleaned(names)
}
