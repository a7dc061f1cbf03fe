package foreign

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanKeepsWhatIsDangerousVisible(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "Readiness probe failed: HTTP probe failed with statuscode: 503", "Readiness probe failed: HTTP probe failed with statuscode: 503"},
		{"letters of other scripts stay", "größe 数据库 данные é", "größe 数据库 данные é"},
		{"sgr", "a\x1b[31mred\x1b[0m", "a␛[31mred␛[0m"},
		{"osc 8 link", "\x1b]8;;http://x\x07click", `␛]8;;http://x\x07click`},
		{"c1 csi", "a\u009b31m", "a⟨U+009B⟩31m"},
		{"raw c1 byte is invalid utf-8", "a\x9b31m", `a\x9b31m`},
		{"carriage return cannot overwrite", "good\rbad", `good\x0dbad`},
		{"bidi override", "user\u202egpj.exe", "user⟨U+202E⟩gpj.exe"},
		{"isolates", "a\u2066b\u2069", "a⟨U+2066⟩b⟨U+2069⟩"},
		{"zero width", "pass\u200bword", "pass⟨U+200B⟩word"},
		{"line break becomes a space", "one\ntwo\tthree", "one two three"},
		{"windows line break is one", "one\r\ntwo", "one two"},
		{"delete", "a\x7f", `a\x7f`},
		{"four marks are kept", "e\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301\u0301"},
		{"the fifth mark is shown", "e\u0301\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301\u0301⟨U+0301⟩"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Clean(tc.in).String(); got != tc.want {
				t.Errorf("Clean(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

func TestCleanBlockKeepsLines(t *testing.T) {
	got := CleanBlock("a:\r\n\tb\n\x1b[2J", 100).String()
	if want := "a:\n    b\n␛[2J"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCleanCutsOnARuneBoundaryAndSaysSo(t *testing.T) {
	got := CleanN("ééé", 3).String()
	if got != "é…" {
		t.Errorf("got %q, want é…", got)
	}
	long := Clean(strings.Repeat("x", 10_000)).String()
	if len(long) != MaxLine+len("…") || !strings.HasSuffix(long, "…") {
		t.Errorf("a 10 kB line became %d bytes", len(long))
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[31m\u202e\u009b\r\n\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, text := range []string{Clean(s).String(), CleanBlock(s, 100).String()} {
			if !utf8.ValidString(text) {
				t.Fatalf("not UTF-8: %q", text)
			}
			for _, r := range text {
				if r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
					t.Fatalf("%q survived in %q", r, text)
				}
			}
		}
		if strings.Contains(Clean(s).String(), "\n") {
			t.Fatalf("Clean(%q) has more than one line", s)
		}
	})
}
