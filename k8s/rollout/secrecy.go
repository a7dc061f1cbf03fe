package rollout

import (
	"fmt"
	"regexp"
	"strings"
)

// Hidden stands for a value that is not shown because its name looks secret.
const Hidden = "(hidden)"

// secretName reports whether a variable or flag of this name plausibly holds
// a secret. It errs towards hiding.
func secretName(name string) bool {
	upper := strings.ToUpper(name)
	for _, word := range []string{"TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "KEY", "CREDENTIAL", "DSN"} {
		if strings.Contains(upper, word) {
			return true
		}
	}
	return strings.HasSuffix(upper, "_PASS") || strings.HasSuffix(upper, "_PWD")
}

// credentials matches the password in a URL: scheme://user:password@host.
var credentials = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)

// hideCredentials hides passwords inside URLs.
func hideCredentials(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	return credentials.ReplaceAllString(s, "${1}"+Hidden+"@")
}

// envText is a variable's value: the literal one unless it looks secret, or
// where it comes from.
func envText(name string, v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return ""
	}
	from := nested{m}
	if source := from.object("valueFrom"); source != nil {
		return sourceText(nested{source})
	}
	value := from.str("value")
	if value != "" && secretName(name) {
		return Hidden
	}
	return hideCredentials(value)
}

// sourceText says where a value comes from: "Secret db, key password".
func sourceText(n nested) string {
	switch {
	case n.object("secretKeyRef") != nil:
		return fmt.Sprintf("Secret %s, key %s", n.str("secretKeyRef", "name"), n.str("secretKeyRef", "key"))
	case n.object("configMapKeyRef") != nil:
		return fmt.Sprintf("ConfigMap %s, key %s", n.str("configMapKeyRef", "name"), n.str("configMapKeyRef", "key"))
	case n.object("fieldRef") != nil:
		return "field " + n.str("fieldRef", "fieldPath")
	case n.object("resourceFieldRef") != nil:
		return "resource " + n.str("resourceFieldRef", "resource")
	}
	return "another source"
}

// arguments is a command line without the values of flags that look secret:
// --token=x and --token x.
func arguments(list []any) []any {
	out := make([]any, 0, len(list))
	hide := false
	for _, v := range list {
		s := fmt.Sprint(v)
		isFlag := strings.HasPrefix(s, "-")
		name, value, hasValue := strings.Cut(s, "=")
		switch {
		case hide && !isFlag:
			s, hide = Hidden, false
		case isFlag && hasValue && value != "" && secretName(name):
			s, hide = name+"="+Hidden, false
		default:
			hide = isFlag && !hasValue && secretName(name)
		}
		out = append(out, hideCredentials(s))
	}
	return out
}

// hideIn is a copy of v in which literal variables and arguments that look
// secret are hidden, however deep.
func hideIn(v any) any {
	switch v := v.(type) {
	case string:
		return hideCredentials(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = hideIn(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		name, _ := v["name"].(string)
		for k, x := range v {
			switch list, isList := x.([]any); {
			case k == "value" && name != "":
				out[k] = envText(name, v)
			case isList && (k == "args" || k == "command"):
				out[k] = arguments(list)
			default:
				out[k] = hideIn(x)
			}
		}
		return out
	}
	return v
}
