package secrets

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
)

// The External Secrets Operator's reasons and messages
// (external-secrets apis/externalsecrets/v1/externalsecret_types.go and
// pkg/controllers/externalsecret).
const (
	esoSynced       = "SecretSynced"
	esoMissing      = "SecretMissing"
	esoDeleted      = "SecretDeleted"
	esoRetainedText = "DeletionPolicy=Retain"
)

// FromExternalSecret reads an ExternalSecret of external-secrets.io, v1 or
// v1beta1: of what is used here their fields are the same.
func FromExternalSecret(o *unstructured.Unstructured, now time.Time) Origin {
	origin := Origin{Kind: "ExternalSecret", Namespace: o.GetNamespace(), Name: o.GetName(), Target: str(o, "spec", "target", "name"), Paths: esoPaths(o)}
	if origin.Target == "" {
		origin.Target = o.GetName()
	}
	kind := str(o, "spec", "secretStoreRef", "kind")
	if kind == "" {
		kind = "SecretStore"
	}
	origin.Store = foreign.Clean(strings.TrimSpace(kind + " " + str(o, "spec", "secretStoreRef", "name")))
	origin.Every, origin.Synced = esoInterval(o), instant(o, "status", "refreshTime")
	pinned := esoPinned(o, origin.Every)
	if !pinned && !origin.Synced.IsZero() {
		origin.Next = origin.Synced.Add(origin.Every)
	}
	origin.judgeESO(conditions(o)["Ready"], pinned, len(maps(o, "spec", "syncWindows")) > 0, now)
	return origin
}

// judgeESO turns the Ready condition into a state. refreshTime moves on
// success only, so a sync that is overdue shows even while Ready is true.
func (o *Origin) judgeESO(ready condition, pinned, windows bool, now time.Time) {
	o.Reason, o.Message = ready.reason, ready.message
	switch {
	case ready.status == "":
		o.State, o.Reason = SyncIgnored, "NoStatus"
		o.Message = "no operator has looked at it: is its store managed by another class, or the operator down?"
	case ready.status != "True":
		o.State = SyncFailed
	case ready.reason == esoSynced && strings.Contains(ready.message.String(), esoRetainedText):
		o.State = SyncRetained
		o.Message = "the store returned nothing: the old values are kept (deletionPolicy Retain)"
	case ready.reason == esoMissing, ready.reason == esoDeleted:
		o.State = SyncMissing
	case pinned:
		o.State = SyncPinned
	case windows || o.Next.IsZero():
		o.State = SyncOK
	case now.After(o.Next.Add(slack)):
		o.State, o.Reason = SyncOverdue, "Overdue"
		o.Message = "says it is synced, but the last sync is older than its interval"
	default:
		o.State, o.Recheck = SyncOK, o.Next.Add(slack+time.Second)
	}
}

// esoInterval is spec.refreshInterval; the CRD's default is an hour.
func esoInterval(o *unstructured.Unstructured) time.Duration {
	raw := str(o, "spec", "refreshInterval")
	if raw == "" {
		return time.Hour
	}
	d, err := time.ParseDuration(raw)
	if err != nil {
		return 0
	}
	return d
}

// esoPinned reports whether it is meant never to refresh: an interval of 0, or
// the policies CreatedOnce and OnChange.
func esoPinned(o *unstructured.Unstructured, every time.Duration) bool {
	policy := str(o, "spec", "refreshPolicy")
	return every <= 0 || policy == "CreatedOnce" || policy == "OnChange"
}

// ForceSync says whether changing an annotation makes the operator sync again,
// and if it does not, what to do instead (shouldRefresh returns false before it
// looks at annotations).
func ForceSync(o *unstructured.Unstructured) (works bool, instead string) {
	synced := conditions(o)["Ready"].status == "True"
	switch policy := str(o, "spec", "refreshPolicy"); {
	case policy == "CreatedOnce":
		return false, "its refreshPolicy is CreatedOnce: it syncs again only when its Secret is deleted"
	case (policy == "" || policy == "Periodic") && esoInterval(o) <= 0 && synced:
		return false, "its refreshInterval is 0 and it has synced once: set an interval, or delete its Secret"
	}
	return true, ""
}

func esoPaths(o *unstructured.Unstructured) []foreign.Text {
	var paths []string
	for _, m := range maps(o, "spec", "data") {
		paths = append(paths, text(m, "remoteRef", "key"))
	}
	for _, m := range maps(o, "spec", "dataFrom") {
		paths = append(paths, text(m, "extract", "key"))
		if p := text(m, "find", "path"); p != "" {
			paths = append(paths, p+"/*")
		}
	}
	return cleaned(paths)
}

// Store is a SecretStore or ClusterSecretStore of the External Secrets
// Operator.
type Store struct {
	Kind, Namespace, Name string
	// Provider is its kind: vault, aws, …; Server and Path are Vault's.
	Provider     string
	Server, Path foreign.Text
	Role         foreign.Text
	// Ready is "True", "False" or "" (not looked at). ValidationUnknown comes
	// with True: the operator could not tell.
	Ready, Reason string
	Message       foreign.Text
}

// FromSecretStore reads a SecretStore or ClusterSecretStore.
func FromSecretStore(o *unstructured.Unstructured) Store {
	s := Store{Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
	providers, _, _ := unstructured.NestedMap(o.Object, "spec", "provider")
	for name := range providers {
		s.Provider = name
	}
	s.Server = foreign.Clean(str(o, "spec", "provider", "vault", "server"))
	s.Path = foreign.Clean(str(o, "spec", "provider", "vault", "path"))
	s.Role = foreign.Clean(str(o, "spec", "provider", "vault", "auth", "kubernetes", "role"))
	c := conditions(o)["Ready"]
	s.Ready, s.Reason, s.Message = c.status, c.reason, c.message
	return s
}
