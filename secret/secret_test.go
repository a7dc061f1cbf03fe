package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midwatch/secret"
)

const canary = "canary-7f3a9c-token"

func TestAValueIsSeenNowhere(t *testing.T) {
	holder := struct {
		Name  string
		Token secret.Value
		Ptr   *secret.Value
	}{Name: "x", Token: secret.New(canary)}
	holder.Ptr = &holder.Token

	var all strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
		fmt.Fprintf(&all, verb+"\n", holder)
		fmt.Fprintf(&all, verb+"\n", holder.Token)
		fmt.Fprintf(&all, verb+"\n", holder.Ptr)
	}
	b, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	all.Write(b)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", holder.Token, "holder", holder)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", holder.Token, "holder", holder)
	all.Write(log.Bytes())
	all.WriteString(fmt.Errorf("failed with %v", holder).Error())

	hex := fmt.Sprintf("%x", canary)
	if s := all.String(); strings.Contains(s, canary) || strings.Contains(strings.ToLower(s), hex) {
		t.Errorf("the token shows:\n%s", s)
	}
	if holder.Token.Reveal() != canary {
		t.Error("the token cannot be read out")
	}
}

func TestReadNamesThePlaceAndNotTheToken(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) { return canary, name == "SET" }
	for _, tc := range []struct {
		ref  secret.Ref
		want string
		fail string
	}{
		{ref: secret.Ref{}, want: ""},
		{ref: secret.Ref{Env: "SET"}, want: canary},
		{ref: secret.Ref{File: file}, want: canary},
		{ref: secret.Ref{Env: "UNSET"}, fail: "$UNSET is not set"},
		{ref: secret.Ref{File: empty}, fail: "is empty"},
		{ref: secret.Ref{File: filepath.Join(dir, "none")}, fail: "no such file"},
	} {
		got, err := tc.ref.Read(env)
		switch {
		case tc.fail != "" && (err == nil || !strings.Contains(err.Error(), tc.fail)):
			t.Errorf("%v: error %v, want %q in it", tc.ref, err, tc.fail)
		case tc.fail == "" && (err != nil || got.Reveal() != tc.want):
			t.Errorf("%v: %q, %v", tc.ref, got.Reveal(), err)
		case err != nil && strings.Contains(err.Error(), canary):
			t.Errorf("%v: the error shows the token", tc.ref)
		}
	}
	if err := (secret.Ref{Env: "a", File: "b"}).Validate(); err == nil {
		t.Error("env and file together are accepted")
	}
	if err := (secret.Ref{Env: "T=" + canary}).Validate(); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("a value in place of a name: %v", err)
	}
}

func TestScrub(t *testing.T) {
	v := secret.New(canary)
	if got := v.Scrub("echo " + canary + "!"); strings.Contains(got, canary) {
		t.Errorf("left: %s", got)
	}
	if got := secret.New("ab").Scrub("abc"); got != "abc" {
		t.Errorf("a short token ate into %q", got)
	}
}
