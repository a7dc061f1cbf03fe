package config

import (
	"strings"
	"testing"
)

func TestProfileRules(t *testing.T) {
	for text, want := range map[string]string{
		"profiles: [{match: 'shop/*', port: pprof, prefix: /internal/debug/pprof, header: api-key, key: {env: DEBUG_KEY}}]": "",
		"profiles: [{selector: 'app in (a, b)', https: true, skipVerify: true}]":                                            "",
		"profiles: [{match: '['}]":              "match",
		"profiles: [{port: 70000}]":             "want 1 to 65535",
		"profiles: [{prefix: '/x?y'}]":          "want a path",
		"profiles: [{skipVerify: true}]":        "skipVerify needs https",
		"profiles: [{key: s3cr3t}]":             "a token is not written here",
		"profiles: [{key: {env: A, file: /b}}]": "not both",
		"profiles: [{matches: shop}]":           "matches",
	} {
		c := Default(func(string) (string, bool) { return "", false })
		err := c.parse([]byte(text))
		if err == nil {
			err = c.Validate()
		}
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t")) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
