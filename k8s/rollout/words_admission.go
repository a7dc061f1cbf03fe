package rollout

import (
	"strings"

	"midwatch/k8s"
)

// refusal is why the API server does not take a pod: what kind of refusal, in
// a few words, and what refused it. said is without the controllers' envelope.
func refusal(said string) (kind k8s.CauseKind, text, object string) {
	switch {
	case strings.Contains(said, "exceeded quota: "):
		text, object = quotaText(said)
		return k8s.CauseQuota, text, object
	case strings.Contains(said, "failed quota: "): // failed quota: compute: must specify limits.cpu for: api
		_, rest, _ := strings.Cut(said, "failed quota: ")
		name, why, _ := strings.Cut(rest, ": ")
		return k8s.CauseQuota, "quota " + name + ": " + why, "ResourceQuota " + name
	case strings.Contains(said, "failed calling webhook "):
		name := quoted(said, "webhook ")
		return k8s.CauseWebhookDown, "webhook " + name + " does not answer: " + lastClause(said), "webhook " + name
	case strings.Contains(said, "admission webhook ") && strings.Contains(said, "denied the request"):
		name := quoted(said, "webhook ")
		_, why, _ := strings.Cut(said, "denied the request")
		return k8s.CauseWebhookDenied, "webhook " + name + " denies it" + colon(trailing(why)), "webhook " + name
	case strings.Contains(said, "ValidatingAdmissionPolicy '"):
		_, rest, _ := strings.Cut(said, "ValidatingAdmissionPolicy '")
		name, rest, _ := strings.Cut(rest, "'")
		_, why, _ := strings.Cut(rest, "denied request")
		return k8s.CausePolicy, "policy " + name + " denies it" + colon(why), "ValidatingAdmissionPolicy " + name
	case strings.Contains(said, "violates PodSecurity "):
		level, _, _ := strings.Cut(quoted(said, "PodSecurity "), ":")
		_, why, _ := strings.Cut(said, "\": ")
		return k8s.CausePodSecurity, "Pod Security " + level + " forbids it" + colon(withoutParentheses(why)), "Pod Security " + level
	case strings.Contains(said, " usage per ") || strings.Contains(said, "limit to request ratio per "):
		return k8s.CauseLimitRange, "LimitRange: " + strings.Trim(said, "[]"), "LimitRange"
	case strings.Contains(said, "error looking up service account") || strings.Contains(said, "serviceaccount \""):
		name := quoted(said, "serviceaccount ")
		return k8s.CauseServiceAccount, "ServiceAccount " + name + " does not exist", "ServiceAccount " + name
	case strings.Contains(said, "no PriorityClass with name "):
		_, rest, _ := strings.Cut(said, "no PriorityClass with name ")
		name, _, _ := strings.Cut(rest, " ")
		return k8s.CauseNotCreated, "PriorityClass " + name + " does not exist", "PriorityClass " + name
	}
	if _, why, ok := strings.Cut(said, " is invalid: "); ok {
		said = why
	}
	return k8s.CauseNotCreated, said, ""
}

// withoutParentheses leaves out asides: Pod Security explains each control in
// one.
func withoutParentheses(s string) string {
	var out strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
		case depth == 0:
			out.WriteRune(r)
		}
	}
	return strings.ReplaceAll(out.String(), " ,", ",")
}

func colon(why string) string {
	if why = strings.TrimLeft(why, ": "); why == "" {
		return ""
	}
	return ": " + why
}

// lastClause is the innermost of Go's wrapped errors.
func lastClause(said string) string {
	if i := strings.LastIndex(said, ": "); i >= 0 {
		return said[i+2:]
	}
	return said
}

// quotaText says which quota is full, and of what, from "exceeded quota:
// compute, requested: limits.cpu=1, used: limits.cpu=8, limited:
// limits.cpu=8" (apiserver plugin/resourcequota/controller.go).
func quotaText(said string) (text, object string) {
	_, rest, _ := strings.Cut(said, "exceeded quota: ")
	name, rest, _ := strings.Cut(rest, ", requested: ")
	requested, rest, _ := strings.Cut(rest, ", used: ")
	used, limited, ok := strings.Cut(rest, ", limited: ")
	text, object = "quota "+name+" is used up", "ResourceQuota "+name
	if !ok {
		return text, object
	}
	have, most := amounts(used), amounts(limited)
	for i, want := range strings.Split(requested, ",") {
		resource, amount, _ := strings.Cut(want, "=")
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		text += sep + resource + " " + have[resource] + " of " + most[resource] + ", wants " + amount
	}
	return text, object
}

func amounts(list string) map[string]string {
	out := map[string]string{}
	for _, item := range strings.Split(list, ",") {
		if name, amount, ok := strings.Cut(item, "="); ok {
			out[name] = amount
		}
	}
	return out
}
