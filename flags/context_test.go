package flags

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseContext(t *testing.T) {
	for in, want := range map[string]EvalContext{
		"user-42":                             {TargetingKey: "user-42"},
		` user-42  plan=pro beta=true n=3 `:   {TargetingKey: "user-42", Attributes: map[string]any{"plan": "pro", "beta": true, "n": 3.0}},
		"plan=pro":                            {Attributes: map[string]any{"plan": "pro"}},
		`id="12"`:                             {Attributes: map[string]any{"id": "12"}},
		`{"targetingKey":"u","plan":"pro"}`:   {TargetingKey: "u", Attributes: map[string]any{"plan": "pro"}},
		`{"kind":"org","key":"acme","n":1}`:   {TargetingKey: "acme", Kind: "org", Attributes: map[string]any{"n": 1.0}},
		`{"userId":"u","properties":{"a":1}}`: {TargetingKey: "u", Attributes: map[string]any{"a": 1.0}},
		`{"userId":7}`:                        {TargetingKey: "7"},
		`{"kind":"multi","user":{"key":"u"},"org":{"key":"o"}}`: {Multi: []EvalContext{
			{TargetingKey: "o", Kind: "org"}, {TargetingKey: "u", Kind: "user"},
		}},
	} {
		got, err := ParseContext(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v\nwant %+v", in, got, err, want)
		}
	}
}

func TestParseContextSaysWhatIsWrong(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "give a user key",
		"u1 plan":                               `"plan": want name=value`,
		"u1 =x":                                 "want name=value",
		`{"a":`:                                 "ends too early",
		"{\n \"a\": 1,\n oops\n}":               "line 3",
		`{"a":1} x`:                             "more after the closing brace",
		`{"key":true}`:                          "key: want text",
		`{"key":"a","targetingKey":"b"}`:        "given as",
		`{"kind":"multi"}`:                      "without any kind",
		`{"kind":"multi","user":"u"}`:           "want an object",
		"{" + strings.Repeat(" ", 70_000) + "}": "the limit is",
	} {
		_, err := ParseContext(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: %v, want %q", in, err, want)
		}
	}
}

func FuzzParseContext(f *testing.F) {
	for _, s := range []string{"u plan=pro", `{"kind":"multi","user":{"key":"u"}}`, `{"userId":"\u001b[2J"}`, "a=\x1b]0;x\x07"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseContext(s)
		text := c.String()
		if err != nil {
			text = err.Error()
		}
		if strings.ContainsAny(text, "\x1b\n\r\x07") {
			t.Errorf("%q leads to %q", s, text)
		}
	})
}
