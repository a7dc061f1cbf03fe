package decode

import (
	"bytes"

	"midwatch/profiles"
)

// decodeRaw recognises the format of uncompressed data and decodes it. cut
// says that the data is only the beginning of what there was.
func decodeRaw(raw []byte, cut bool, limits Limits) (*profiles.Profile, error) {
	trimmed := bytes.TrimLeft(raw, " \t\r\n\xef\xbb\xbf")
	switch {
	case isHTML(trimmed):
		return nil, fail(HTML, "check the address, the path prefix and the credentials", "this is a web page, not a profile%s", title(trimmed))
	case isPickle(raw):
		return decodeSnapshot(raw, limits)
	case isMarshalDict(raw): // may begin with {, but never as JSON does
		return decodePstats(raw, limits)
	case len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '['):
		return decodeJSON(trimmed, cut, limits)
	}
	if text(raw) {
		return decodeText(raw, cut, limits)
	}
	if cut {
		return nil, fail(Cut, "capture it again, perhaps for a shorter time", "the profile ends early, after %s of it: the names come last and are missing", size(int64(len(raw))))
	}
	p, err := decodePprof(raw, limits)
	if err == nil {
		return p, nil
	}
	// The CPU profiles of gperftools are binary, without a signature.
	if legacy, lerr := decodeLegacy(raw, limits); lerr == nil && len(legacy.Entries) > 0 {
		return legacy, nil
	}
	return nil, err
}

// decodeText decodes what is text but not JSON.
func decodeText(raw []byte, cut bool, limits Limits) (*profiles.Profile, error) {
	switch {
	case isCallgrind(raw):
		return decodeCallgrind(raw, limits)
	case isTaskTree(raw):
		return decodeTaskTree(raw, limits)
	case isObjgraph(raw):
		return decodeObjgraph(raw, limits)
	case isGoroutines(raw):
		return decodeGoroutines(raw, limits)
	case isLegacy(raw):
		return decodeLegacy(raw, limits)
	case isFolded(raw):
		return decodeFolded(raw, cut, limits)
	}
	// A small protobuf may be valid text by accident.
	if p, err := decodePprof(raw, limits); err == nil {
		return p, nil
	}
	if p, err := decodeLegacy(raw, limits); err == nil {
		return p, nil
	}
	return nil, unknown(raw)
}

func unknown(raw []byte) error {
	head := raw[:min(len(raw), 60)]
	if i := bytes.IndexByte(head, '\n'); i > 0 {
		head = head[:i]
	}
	if !text(raw) {
		return fail(Unknown, "see docs/PROFILES.md for the formats", "not a profile of any known format (%s of binary data)", size(int64(len(raw))))
	}
	return fail(Unknown, "see docs/PROFILES.md for the formats", "not a profile of any known format: it begins with %q", profiles.Symbol(string(head)))
}

func isHTML(s []byte) bool {
	head := bytes.ToLower(s[:min(len(s), 256)])
	return bytes.HasPrefix(head, []byte("<!doctype")) || bytes.HasPrefix(head, []byte("<html")) ||
		bytes.HasPrefix(head, []byte("<?xml")) || bytes.HasPrefix(head, []byte("<head"))
}

// title returns " (“Sign in”)" when the page has a title.
func title(s []byte) string {
	s = s[:min(len(s), 8192)]
	lower := bytes.ToLower(s)
	i := bytes.Index(lower, []byte("<title>"))
	j := bytes.Index(lower, []byte("</title>"))
	if i < 0 || j < i || len(lower) != len(s) {
		return ""
	}
	t := bytes.Join(bytes.Fields(s[i+len("<title>"):j]), []byte(" "))
	if len(t) == 0 {
		return ""
	}
	return " (“" + profiles.Symbol(string(t[:min(len(t), 80)])).String() + "”)"
}
