package app_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/secret"
	"midwatch/ui/pane"
)

const copied = "MIDWATCH_CANARY_copied"

// copying lets a pane's key "x" copy a secret.
func copying(r *rig, after time.Duration) secret.Bytes {
	value := secret.Take([]byte(copied))
	r.custom = func() tea.Cmd {
		return pane.Send(pane.CopySecretMsg{
			What: "password of version 3 of secret/app", Target: action.Target{Kind: "VaultSecret", Namespace: "secret", Name: "app"},
			Value: value, ClearAfter: after,
		})
	}
	return value
}

// set is what puts text into the clipboard of a terminal (OSC 52).
func set(text string) string {
	return "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\a"
}

// clipped are the sequences for the clipboard among what was written.
func clipped(text string) string {
	var all strings.Builder
	for _, part := range strings.Split(text, "\x1b]52;")[1:] {
		body, _, _ := strings.Cut(part, "\a")
		all.WriteString("\x1b]52;" + body + "\a")
	}
	return all.String()
}

func TestACopiedValueIsClearedAndJournalledWithoutTheValue(t *testing.T) {
	r := newRig(t)
	realTime(r)
	value := copying(r, time.Second)
	s, result := program(t, t.Context(), r.opts)
	s.until("checkout")
	s.press("x")
	s.until(set(copied))
	s.until(set(""))
	if !value.Empty() {
		t.Error("the value is kept")
	}
	s.press("q")
	if err := wait(t, result); err != nil {
		t.Fatal(err)
	}
	if got := clipped(s.text()); got != set(copied)+set("") {
		t.Errorf("written for the clipboard: %q", got)
	}
	if strings.Contains(s.text(), copied) {
		t.Error("the value was drawn")
	}
	raw, err := json.Marshal(r.record)
	if err != nil || len(r.record) != 1 || r.record[0].Verb != "copy" || r.record[0].Target.Name != "app" || strings.Contains(string(raw), copied) {
		t.Errorf("journal %s, %v", raw, err)
	}
}

func TestAValueDoesNotOutliveTheConsoleInTheClipboard(t *testing.T) {
	r := newRig(t)
	realTime(r)
	copying(r, time.Hour)
	s, result := program(t, t.Context(), r.opts)
	s.until("checkout")
	s.press("x")
	s.until(set(copied))
	s.press("q")
	if err := wait(t, result); err != nil {
		t.Fatal(err)
	}
	s.until(set(""))
	if got := clipped(s.text()); got != set(copied)+set("") {
		t.Errorf("written for the clipboard: %q", got)
	}
}

func TestNothingIsCopiedThatCannotBeRecorded(t *testing.T) {
	r := newRig(t)
	realTime(r)
	r.recordErr = errors.New("disk full")
	value := copying(r, time.Hour)
	s, result := program(t, t.Context(), r.opts)
	s.until("checkout")
	s.press("x")
	s.until("disk full")
	s.press("q")
	if err := wait(t, result); err != nil {
		t.Fatal(err)
	}
	if got := clipped(s.text()); got != "" || !value.Empty() {
		t.Errorf("written for the clipboard: %q", got)
	}
}

func TestAnotherCopyIsNotCleared(t *testing.T) {
	r := newRig(t)
	copying(r, 30*time.Second)
	d := r.start(100, 30)
	d.Press("x").Idle()
	r.custom = func() tea.Cmd { return pane.Send(pane.CopyMsg{What: "lease ID", Text: "database/creds/app/x"}) }
	d.Press("x").Idle()
	r.clock.Advance(time.Minute)
	d.Idle()
	if frame := d.Plain(); strings.Contains(frame, "the clipboard is cleared") {
		t.Errorf("what was copied later is cleared:\n%s", frame)
	}
}
