package tree

import (
	"path"
	"regexp"
	"strings"
	"unicode"

	"midwatch/foreign"
)

// The patterns with which pprof shortens names (internal/graph): what comes
// before the package of a Go name, a module's major version, the package of a
// Java name, the namespaces of a C++ one.
var (
	goName       = regexp.MustCompile(`^(?:[\w\-\.]+\/)+([^.]+\..+)`)
	goVersion    = regexp.MustCompile(`^(.*?)/v(?:[2-9]|[1-9][0-9]+)([./].*)$`)
	javaName     = regexp.MustCompile(`^(?:[a-z]\w*\.)*([A-Z][\w\$]*\.(?:<init>|[a-z][\w\$]*(?:\$\d+)?))(?:(?:\()|$)`)
	cppName      = regexp.MustCompile(`^(?:[_a-zA-Z]\w*::)+(_*[A-Z]\w*::~?[_a-zA-Z]\w*(?:<.*>)?)`)
	cppAnonymous = regexp.MustCompile(`^\(anonymous namespace\)::`)
)

// Short removes what a reader can do without from a function's name:
// "github.com/acme/db/v4.(*Pool).Get" becomes "db.(*Pool).Get".
func Short(name foreign.Text) string {
	s := cppAnonymous.ReplaceAllString(name.String(), "")
	s = goVersion.ReplaceAllString(s, `${1}${2}`)
	for _, re := range []*regexp.Regexp{goName, javaName, cppName} {
		if m := re.FindStringSubmatch(s); len(m) == 2 {
			return m[1]
		}
	}
	return s
}

// Names returns what a frame can be called, from the fullest to the shortest:
// "encoding/json.(*Decoder).Decode", "json.(*Decoder).Decode", "Decode".
func Names(f Frame) []string {
	full := f.Name.String()
	names := []string{full}
	add := func(s string) {
		if s != "" && len(s) < len(names[len(names)-1]) {
			names = append(names, s)
		}
	}
	short := Short(f.Name)
	add(short)
	add(method(short))
	return names
}

// method returns the last part of a short name that still says something:
// the closure's function rather than "func1".
func method(short string) string {
	generic := ""
	if i := strings.IndexByte(short, '['); i > 0 {
		short, generic = short[:i], "" // type arguments go first
	}
	if i := strings.LastIndex(short, "::"); i >= 0 {
		return short[i+2:]
	}
	parts := strings.Split(short, ".")
	for i := len(parts) - 1; i > 0; i-- {
		p := parts[i]
		if isClosure(p) {
			continue
		}
		return strings.TrimSuffix(p, "-fm") + generic
	}
	return short
}

// isClosure reports the names Go gives to functions without one: func1,
// gowrap2, deferwrap1, 1.
func isClosure(s string) bool {
	for _, prefix := range []string{"func", "gowrap", "deferwrap", ""} {
		if rest, ok := strings.CutPrefix(s, prefix); ok && rest != "" && strings.Trim(rest, "0123456789-") == "" {
			return true
		}
	}
	return false
}

// Label picks the fullest name of a frame that fits into w cells, or the
// shortest one with its middle left out, or nothing at all. width measures
// text in cells; the caller's terminal library knows how.
func Label(f Frame, w int, width func(string) int) string {
	if w < 1 {
		return ""
	}
	names := Names(f)
	for _, n := range names {
		if width(n) <= w {
			return n
		}
	}
	return Ellipsis(names[len(names)-1], w, width)
}

// Ellipsis shortens s to w cells by leaving out its middle, never dividing a
// character from its marks. Below four cells there is nothing worth reading.
func Ellipsis(s string, w int, width func(string) int) string {
	if width(s) <= w {
		return s
	}
	if w < 4 {
		return ""
	}
	clusters := split(s)
	head, tail, used := 0, len(clusters), 1 // one for the ellipsis
	for front := true; head < tail; front = !front {
		next := clusters[tail-1]
		if front {
			next = clusters[head]
		}
		if used += width(next); used > w {
			break
		}
		if front {
			head++
		} else {
			tail--
		}
	}
	return strings.Join(clusters[:head], "") + "…" + strings.Join(clusters[tail:], "")
}

// split takes cleaned text apart into characters with their marks. Joiners
// and variation selectors do not occur in it.
func split(s string) []string {
	var clusters []string
	for _, r := range s {
		if n := len(clusters); n > 0 && unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc) {
			clusters[n-1] += string(r)
			continue
		}
		clusters = append(clusters, string(r))
	}
	return clusters
}

// Package returns the package or module a frame belongs to, for its colour
// and for grouping: "encoding/json", "app/orders", "requests". Empty when
// unknown.
func Package(f Frame) string {
	name := f.Name.String()
	if f.Label != "" {
		return f.Label.String()
	}
	if strings.HasPrefix(name, "[") || strings.HasPrefix(name, "<unknown>") {
		return ""
	}
	if isPython(f) {
		return pythonPackage(f.File.String())
	}
	if i := strings.IndexByte(name, '['); i > 0 {
		name = name[:i]
	}
	if i := strings.LastIndex(name, "::"); i > 0 {
		return name[:i]
	}
	dir, base := path.Split(name)
	if i := strings.IndexByte(base, '.'); i > 0 {
		return dir + base[:i]
	}
	return dir
}

// isPython reports frames of Python: by their file, for names say nothing.
func isPython(f Frame) bool {
	file := f.File.String()
	return strings.HasSuffix(file, ".py") || strings.HasPrefix(file, "<frozen") || file == "~" || file == "<string>"
}

// pythonPackage returns the top package of a library, or the module of a file
// of one's own.
func pythonPackage(file string) string {
	for _, dir := range []string{"/site-packages/", "/dist-packages/"} {
		if _, rest, ok := strings.Cut(file, dir); ok {
			top, _, _ := strings.Cut(rest, "/")
			return strings.TrimSuffix(top, ".py")
		}
	}
	if i := strings.Index(file, "/lib/python3"); i >= 0 || strings.HasPrefix(file, "<frozen") {
		return "python"
	}
	dir, base := path.Split(file)
	base = strings.TrimSuffix(base, ".py")
	if base == "__init__" {
		return path.Base(dir)
	}
	return base
}
