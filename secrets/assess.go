package secrets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Link says how sure it is that a secret in a store is the one a workload
// holds. Only what a link proves is ever printed.
type Link string

// The links, from proof to guess.
const (
	LinkExact          Link = "exact"           // an operator's status names the lease, or the Secret is named by the template
	LinkToken          Link = "token"           // the lease's token is the operator's, by its accessor
	LinkServiceAccount Link = "service account" // the token was given to the workload's service account
	LinkPathRole       Link = "path+role"       // path and role agree: every pod with them could be the holder
	LinkTime           Link = "time"            // only the moment coincides
	LinkUnknown        Link = "unknown"
)

// Input is everything known of one workload's secrets at one moment.
type Input struct {
	Workload k8s.Ref
	Uses     []Use
	// Annotations are the pod template's.
	Annotations map[string]string
	// Metas are the Secrets that were found, by name. MetaErr says why they
	// could not be read; Missing are those that do not exist.
	Metas   map[string]*Meta
	MetaErr foreign.Text
	Missing map[string]bool
	// Origins by the name of the Secret they write.
	Origins map[string]*Origin
	// Failure is the newest UpdateFailed event's text by origin name: the
	// provider's own words, which no condition carries.
	Failures map[string]foreign.Text
	Stores   []Store
	Runs     []ContainerRun
	// Classes and Mounts are of the CSI driver; MountErr says why they could
	// not be read, ClassMissing which classes do not exist.
	Classes      map[string]*Class
	Mounts       []Mount
	MountErr     foreign.Text
	ClassMissing map[string]bool
	Now          time.Time
}

// Row is one secret a workload uses.
type Row struct {
	Workload k8s.Ref
	// Secret is the Kubernetes Secret's name; "" for one that only lies in
	// Vault (injected) or behind a CSI class.
	Secret string
	Uses   []Use
	// Meta is nil when the Secret was not found or may not be read.
	Meta    *Meta
	Origin  *Origin
	Store   *Store
	Link    Link
	Holders []Holder
	// StalePods hold an old version for certain; Pods take the secret at all.
	StalePods []string
	Pods      int
	Severity  live.Severity
	// State is a word: missing, forbidden, stale, or the origin's state, or
	// "present" for a Secret nobody fills.
	State   string
	Message foreign.Text
	Since   time.Time
	// Reloads names what restarts the pods by itself when the Secret changes;
	// "" when nothing is known to.
	Reloads string
	// Class is a CSI volume's, Mounts what its pods have mounted of it.
	Class  *Class
	Mounts []Mount
	// Leases are the leases in Vault behind it, as far as they are known.
	Leases  []Leased
	Recheck time.Time
}

// Assess makes one row a secret, the worst first.
func Assess(in Input) []Row {
	by := map[string][]Use{}
	var order []string
	for _, u := range in.Uses {
		key := u.Secret
		if u.How == HowInjected {
			key = "vault:" + string(u.Path)
		}
		if u.How == HowCSI {
			key = "csi:" + u.Secret
		}
		if _, ok := by[key]; !ok {
			order = append(order, key)
		}
		by[key] = append(by[key], u)
	}
	rows := make([]Row, 0, len(order))
	for _, key := range order {
		rows = append(rows, in.row(by[key]))
	}
	Sort(rows)
	return rows
}

// Sort puts the worst first.
func Sort(rows []Row) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), cmp.Compare(a.Secret, b.Secret))
	})
}

// Ends adds that what lies in the secret ends and is not renewed. A row that is
// not worse already becomes about that.
func (r *Row) Ends(severity live.Severity, message foreign.Text, since time.Time) {
	if r.Severity.Rank() <= severity.Rank() && r.Severity.Rank() <= live.Warn.Rank() {
		if r.State == string(SyncFailed) {
			r.Message = message // it names the operator's problem as well
			return
		}
		r.Message = foreign.Clean(r.Message.String() + "; " + message.String())
		return
	}
	r.Severity, r.State, r.Message, r.Since = severity, "ending", message, since
}

func (in *Input) row(uses []Use) Row {
	r := Row{Workload: in.Workload, Uses: uses, Severity: live.OK, Link: LinkExact}
	switch uses[0].How {
	case HowInjected:
		in.injected(&r)
		return r
	case HowCSI:
		in.mounted(&r)
		return r
	}
	r.Secret = uses[0].Secret
	r.Meta, r.Origin = in.Metas[r.Secret], in.Origins[r.Secret]
	r.Reloads = reloads(in.Annotations, r.Secret, r.Origin)
	in.present(&r)
	in.origin(&r)
	if r.Meta != nil {
		r.Holders, r.Recheck = Holders(r.Meta, uses, in.Runs, in.Now)
		r.StalePods = StalePods(r.Holders)
		r.Pods = podsOf(r.Holders)
		in.stale(&r)
	}
	return r
}

// present judges whether the Secret is there.
func (in *Input) present(r *Row) {
	switch {
	case r.Meta != nil:
		r.State, r.Since = "present", r.Meta.Changed
		r.Message = "nobody is known to fill it"
	case in.Missing[r.Secret]:
		r.State, r.Severity = "missing", live.Fail
		r.Message = "does not exist: a new pod that needs it does not start"
		if !slices.ContainsFunc(r.Uses, func(u Use) bool { return !u.Optional }) {
			r.Severity, r.Message = live.Info, "does not exist; every use of it is optional"
		}
		if r.Uses[0].How == HowPull {
			r.Severity, r.Message = live.Warn, "does not exist: images of a private registry cannot be pulled with it"
		}
	case in.MetaErr != "":
		r.State, r.Severity, r.Message = "forbidden", live.Unknown, in.MetaErr
	default:
		r.State, r.Severity, r.Message = "loading", live.Unknown, "not read yet"
	}
}

// origin judges what fills the Secret.
func (in *Input) origin(r *Row) {
	o := r.Origin
	if o == nil {
		return
	}
	for i := range in.Stores {
		if s := &in.Stores[i]; o.Store == foreign.Clean(s.Kind+" "+s.Name) {
			r.Store = s
		}
	}
	r.Recheck = o.Recheck
	sev := o.State.Severity()
	if sev.Rank() > r.Severity.Rank() && r.State != "present" {
		return // that it is missing or forbidden weighs more
	}
	r.Severity, r.State, r.Since = sev, string(o.State), o.Synced
	r.Message = originWords(o, in.Failures[o.Name])
	if s := r.Store; s != nil && s.Ready == "False" && o.State != SyncOK {
		r.Message = foreign.Clean(fmt.Sprintf("%s; %s %s: %s %s", r.Message, s.Kind, s.Name, s.Reason, s.Message))
	}
}

// originWords prefers what the provider said to what the operator says of it.
func originWords(o *Origin, failure foreign.Text) foreign.Text {
	text := o.Message.String()
	if failure != "" && o.State == SyncFailed {
		text = failure.String()
	}
	what := o.Kind + " " + o.Name
	if o.State == SyncOK || o.State == SyncPinned {
		text = "from " + string(joinTexts(o.Paths))
		if o.State == SyncPinned {
			text += "; never refreshed, by intention"
		}
	}
	return foreign.Clean(what + ": " + strings.TrimSpace(text))
}

// stale says which pods hold an old version, which outweighs a healthy sync.
func (in *Input) stale(r *Row) {
	if len(r.StalePods) == 0 {
		return
	}
	how := "env"
	if !slices.ContainsFunc(r.Holders, func(h Holder) bool { return h.Stale && (h.How == HowEnv || h.How == HowEnvFrom) }) {
		how = "a subPath file"
	}
	text := fmt.Sprintf("%d/%d pods run %s from before the change at %s", len(r.StalePods), r.Pods, how, r.Meta.Changed.UTC().Format("15:04 UTC"))
	if r.Reloads != "" {
		text += "; " + r.Reloads + " restarts them by itself"
	} else {
		text += ": restart"
	}
	if r.Severity == live.OK || r.Severity == live.Info || r.Severity == live.Unknown {
		r.Severity, r.State, r.Message, r.Since = live.Warn, "stale", foreign.Clean(text), r.Meta.Changed
		return
	}
	r.Message = foreign.Clean(string(r.Message) + "; " + text)
}

func (in *Input) injected(r *Row) {
	inj, _ := InjectorOf(in.Annotations)
	r.Link, r.State = LinkPathRole, "injected"
	text := "Vault's agent writes " + string(r.Uses[0].Path)
	if inj.Role != "" {
		text += " with role " + string(inj.Role)
	}
	if inj.Once {
		r.Severity = live.Info
		text += "; only when the pod starts: nobody renews it"
	}
	r.Message = foreign.Clean(text)
}

// reloads names what restarts the pods when a Secret changes: Stakater's
// Reloader by its annotations, or the operator's own restart targets.
func reloads(annotations map[string]string, secret string, o *Origin) string {
	listed := strings.Split(annotations["secret.reloader.stakater.com/reload"], ",")
	switch {
	case annotations["reloader.stakater.com/auto"] == "true", slices.Contains(listed, secret):
		return "Reloader"
	case o != nil && len(o.Restarts) > 0:
		return "the operator"
	}
	return ""
}

func podsOf(holders []Holder) int {
	seen := map[string]bool{}
	for _, h := range holders {
		seen[h.Pod] = true
	}
	return len(seen)
}

func joinTexts(list []foreign.Text) foreign.Text {
	words := make([]string, len(list))
	for i, t := range list {
		words[i] = t.String()
	}
	return foreign.Clean(strings.Join(words, ", "))
}
