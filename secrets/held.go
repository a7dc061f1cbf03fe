package secrets

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
)

// Held is what ends and is renewed by an object of the Vault Secrets Operator:
// the lease of a VaultDynamicSecret, the certificate of a VaultPKISecret. It
// carries times, and so does not depend on when it was read.
type Held struct {
	Kind, Namespace, Name string
	// Target is the Secret it fills.
	Target string
	// Lease is the lease's ID as Vault knows it; "" for a certificate.
	Lease string
	Path  foreign.Text
	// Auth names the VaultAuth; "" is the default one. Client is the operator's
	// name for its login, made of the accessor of the token it got.
	Auth, Client string
	// Renewed is when it got what it holds, or had it renewed last.
	Renewed time.Time
	// Ends is when that is over, by what Vault said then.
	Ends time.Time
	// Due is when the operator renews it, Late when it should have done so
	// even with its jitter.
	Due, Late time.Time
	// Problem is what the operator says is wrong.
	Problem foreign.Text
	// Restarts are workloads it restarts by itself.
	Restarts []foreign.Text
}

// Ref names the object: "VaultDynamicSecret shop/db".
func (h *Held) Ref() string { return h.Kind + " " + h.Namespace + "/" + h.Name }

// Shifted is the same by a clock that is ahead by d.
func (h *Held) Shifted(d time.Duration) *Held {
	out := *h
	for _, t := range []*time.Time{&out.Renewed, &out.Ends, &out.Due, &out.Late} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	return &out
}

// jitterPercent is how much of a lease's life the operator may add to the part
// after which it renews (vault-secrets-operator controllers/common.go,
// computeDynamicHorizonWithJitter); renewSlack is for its queue and Vault.
const (
	jitterPercent = 10
	renewSlack    = 30 * time.Second
)

// HeldBy reads a VaultDynamicSecret or VaultPKISecret of
// secrets.hashicorp.com/v1beta1; nil when it holds nothing that ends.
func HeldBy(o *unstructured.Unstructured) *Held {
	h := &Held{
		Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName(), Target: str(o, "spec", "destination", "name"),
		Path: foreign.Clean(vsoPath(o)), Auth: str(o, "spec", "vaultAuthRef"), Client: str(o, "status", "vaultClientMeta", "id"),
		Restarts: vsoRestarts(o),
	}
	h.problem(conditions(o))
	if h.Kind == "VaultPKISecret" {
		return h.certificate(o)
	}
	h.Lease = str(o, "status", "secretLease", "id")
	life := time.Duration(number(o, "status", "secretLease", "duration")) * time.Second
	at := number(o, "status", "lastRenewalTime")
	if h.Lease == "" || life <= 0 || at <= 0 {
		return nil
	}
	percent := renewPercent(o)
	h.Renewed = time.Unix(at, 0).UTC()
	h.Ends = h.Renewed.Add(life)
	h.Due = h.Renewed.Add(life * time.Duration(percent) / 100)
	h.Late = h.Renewed.Add(life * time.Duration(min(percent+jitterPercent, 100)) / 100).Add(renewSlack)
	return h
}

// certificate reads when a certificate ends and when the operator asks for
// the next.
func (h *Held) certificate(o *unstructured.Unstructured) *Held {
	ends := number(o, "status", "expiration")
	if ends <= 0 {
		return nil
	}
	h.Ends = time.Unix(ends, 0).UTC()
	if at := number(o, "status", "lastRotation"); at > 0 {
		h.Renewed = time.Unix(at, 0).UTC()
	}
	early, _ := time.ParseDuration(str(o, "spec", "expiryOffset"))
	h.Due = h.Ends.Add(-max(early, 0))
	h.Late = h.Due.Add(renewSlack)
	return h
}

// renewPercent is the part of a lease's life after which the operator renews.
func renewPercent(o *unstructured.Unstructured) int64 {
	if p := number(o, "spec", "renewalPercent"); p > 0 && p <= 100 {
		return p
	}
	return renewalPercent
}

func (h *Held) problem(all map[string]condition) {
	for _, typ := range []string{"SecretSynced", "Healthy", "Ready"} {
		if c, ok := all[typ]; ok && c.status == "False" {
			h.Problem = c.message
			if h.Problem == "" {
				h.Problem = foreign.Clean(c.reason)
			}
			return
		}
	}
}
