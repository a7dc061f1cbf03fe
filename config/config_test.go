package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func env(kv ...string) Env {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func TestLoadOrder(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "midwatch"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "midwatch", "config.yaml")
	if err := os.WriteFile(file, []byte("theme: light\nprotected: [live-*]\nnamespaces: [shop]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(env("XDG_CONFIG_HOME", dir, "HOME", "/home/u"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Theme != "light" || c.Protected[0] != "live-*" || c.Journal != "/home/u/.local/state/midwatch/journal.jsonl" || c.ASCII {
		t.Errorf("got %+v", c)
	}
	c, err = Load(env("XDG_CONFIG_HOME", dir, "NO_COLOR", "1", "MIDWATCH_ASCII", "1", "MIDWATCH_JOURNAL", "/j", "SSH_TTY", "/dev/pts/1"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Theme != "none" || !c.ASCII || c.Journal != "/j" || !c.SlowLink {
		t.Errorf("the environment must win: %+v", c)
	}
}

func TestLoadSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"unknown field", "theme: dark\ntehme: light\n", "line 2"},
		{"wrong type", "protected: 3\n", "line 1"},
		{"no yaml", "theme: [dark\n", "line 1"},
		{"unknown theme", "theme: pink\n", `theme "pink": want auto, dark, light or none`},
		{"bad pattern", "protected: ['[']\n", "syntax error in pattern"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(file, []byte(tc.body), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(env("MIDWATCH_CONFIG", file))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("got %v, want %q and the file's name", err, tc.want)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := Load(env("XDG_CONFIG_HOME", t.TempDir())); err != nil {
		t.Errorf("a missing default file is no error: %v", err)
	}
	if _, err := Load(env("MIDWATCH_CONFIG", filepath.Join(t.TempDir(), "none.yaml"))); err == nil {
		t.Error("a file that was named must exist")
	}
}

func TestLocale(t *testing.T) {
	for _, tc := range []struct {
		env   Env
		ascii bool
	}{
		{env(), false},
		{env("LANG", "C"), true},
		{env("LANG", "en_GB.UTF-8"), false},
		{env("LANG", "en_GB.UTF-8", "LC_ALL", "POSIX"), true},
		{env("LC_CTYPE", "C.utf8", "LANG", "C"), false},
	} {
		if got := !utf8Locale(tc.env); got != tc.ascii {
			t.Errorf("ASCII %v, want %v", got, tc.ascii)
		}
	}
}
