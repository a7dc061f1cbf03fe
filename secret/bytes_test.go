package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const canary = "MIDWATCH_CANARY_bytes"

func TestNothingShowsTheBytes(t *testing.T) {
	s := Take([]byte(canary))
	type holder struct {
		Inner Bytes
		Ptr   *Bytes
	}
	h := holder{Inner: s, Ptr: &s}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v", "%10s", "%t"} {
		args := []any{s}
		if strings.Count(verb, "%") == 2 {
			args = append(args, s)
		}
		shown = append(shown, fmt.Sprintf(verb, args...), fmt.Sprintf(verb[len(verb)-2:], h), fmt.Sprintf("%v", &h))
	}
	for _, v := range []any{s, h, &h, map[string]any{"x": s}, []Bytes{s}} {
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(j), string(y), fmt.Sprint(v))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "holder", h)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "holder", h)
	shown = append(shown, log.String(), fmt.Errorf("failed with %w", errors.New(s.String())).Error())
	for _, text := range shown {
		if strings.Contains(text, canary) || strings.Contains(text, "4d4944") {
			t.Errorf("the value shows in %q", text)
		}
	}
}

func TestZeroClearsEveryCopy(t *testing.T) {
	raw := []byte(canary)
	s := Take(raw)
	copied := s
	s.Zero()
	if !copied.Empty() || bytes.ContainsAny(raw, canary) {
		t.Errorf("after Zero: empty %v, bytes %q", copied.Empty(), raw)
	}
	var none Bytes
	none.Zero()
	none.Expose(func(v []byte) {
		if v != nil {
			t.Error("the zero value holds something")
		}
	})
}

func TestFingerprintsAreOfOneProcess(t *testing.T) {
	a, b := NewFingerprints(), NewFingerprints()
	if first, again := a.Of([]byte("hunter2")), a.Of([]byte("hunter2")); first != again || !a.Same([]byte("x"), []byte("x")) {
		t.Error("the same value has two fingerprints")
	}
	if a.Same([]byte("x"), []byte("y")) {
		t.Error("two values are the same")
	}
	if a.Of([]byte("hunter2")) == b.Of([]byte("hunter2")) {
		t.Error("two processes make the same fingerprint")
	}
	if got := a.Of([]byte("hunter2")); len(got) != 6 {
		t.Errorf("fingerprint %q, want six digits", got)
	}
}
