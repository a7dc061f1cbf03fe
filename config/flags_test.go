package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const flagCanary = "api-0000-canary-token"

func loadFlags(t *testing.T, body string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(env("MIDWATCH_CONFIG", file))
}

func TestFlagProvidersAreReadAndCompleted(t *testing.T) {
	c, err := loadFlags(t, `
flags:
- {type: launchdarkly, project: shop, environment: production, token: {env: LD_TOKEN}, poll: 1m}
- {name: own, type: unleash, address: "https://unleash.example/", environment: production, token: {file: /t}, sdkKey: {env: K}}
- {type: ofrep, address: "http://127.0.0.1:8016"}
- {type: file, file: flags.yaml}
`)
	if err != nil {
		t.Fatal(err)
	}
	ld, own := c.Flags[0], c.Flags[1]
	if ld.Name != "launchdarkly" || ld.Address != "https://app.launchdarkly.com" || ld.Token.Env != "LD_TOKEN" || ld.Poll != time.Minute {
		t.Errorf("launchdarkly: %+v", ld)
	}
	if own.Address != "https://unleash.example" || own.Project != "default" || own.Token.File != "/t" || own.SDKKey.Env != "K" {
		t.Errorf("unleash: %+v", own)
	}
}

func TestFlagProvidersSayWhatIsWrongAndNeverTheToken(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"type":             {"{type: split}", "want launchdarkly, unleash, ofrep, file"},
		"an inline token":  {"{type: unleash, address: http://u, environment: p, token: " + flagCanary + "}", "a token is not written here"},
		"a token as env":   {"{type: unleash, address: http://u, environment: p, token: {env: " + flagCanary + "}}", "the name of an environment variable"},
		"a token in a URL": {"{type: ofrep, address: 'http://u:" + flagCanary + "@h'}", "want no user, password"},
		"a token as query": {"{type: ofrep, address: 'http://h?token=" + flagCanary + "'}", "want no user, password"},
		"no URL":           {"{type: ofrep, address: 'http://" + flagCanary + " x:y'}", "not a URL"},
		"no scheme":        {"{type: ofrep, address: host}", "want http:// or https://"},
		"both places":      {"{type: ofrep, address: http://h, token: {env: A, file: b}}", "env or file, not both"},
		"no address":       {"{type: unleash, environment: p, token: {env: T}}", "address is missing"},
		"no token":         {"{type: unleash, address: http://u, environment: p}", "token is missing"},
		"no project":       {"{type: launchdarkly, environment: p, token: {env: T}}", "project is missing"},
		"no environment":   {"{type: launchdarkly, project: p, token: {env: T}}", "environment is missing"},
		"no file":          {"{type: file}", "file is missing"},
		"polled too often": {"{type: launchdarkly, project: p, environment: e, token: {env: T}, poll: 1s}", "want 30s or more"},
		"twice the same":   {"{type: file, file: a}\n- {type: file, file: b}", "two providers are named"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadFlags(t, "flags:\n- "+tc.body+"\n")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q in it", err, tc.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}
