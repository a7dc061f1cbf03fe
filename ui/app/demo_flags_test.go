package app_test

import (
	"strings"
	"testing"

	"midwatch/action"
	"midwatch/ui/uitest"
)

// typed types a text key by key.
func typed(d *uitest.Driver, text string) *uitest.Driver {
	for _, r := range text {
		d.Tap(string(r))
	}
	return d
}

// TestDemoFlagFromTheListToProvenAndBack switches a flag in production, sees
// each proof with its time, and takes it back.
func TestDemoFlagFromTheListToProvenAndBack(t *testing.T) {
	d, journal := demoConsole(t, 170, 50)
	lines(d, "pods of deploy/payments-api").Tap("8")
	lines(d, "[production]", "stripe-webhooks-v2", "the first one is used by deploy/payments-api")
	d.Tap("t")
	lines(d, "Turn stripe-webhooks-v2 off in production?", "read-only: context demo is locked").Tap("esc")
	typed(d.Tap(":"), "unlock").Tap("enter")
	lines(d, "Unlock demo?").Tap("y")
	lines(d, "UNLOCKED 10m").Tap("t")
	lines(d, "type stripe-webhooks-v2")
	typed(d, "stripe-webhooks-v2").Tap("enter")
	typed(d, "INC-42").Tap("enter")
	lines(d, "turn off stripe-webhooks-v2", "API accepted", "read back", "SDK path saw it", "reloaded, it serves false", "the newest evaluations")
	entries, _, err := journal.Read(t.Context(), 10)
	if err != nil || len(entries) < 2 || entries[len(entries)-1].Phase != action.PhaseIntent || entries[len(entries)-1].Reason != "INC-42" {
		t.Errorf("journal %+v, %v", entries, err)
	}
	d.Tap("u")
	lines(d, "Turn stripe-webhooks-v2 on in production?")
	typed(d, "stripe-webhooks-v2").Tap("enter")
	typed(d, "INC-42").Tap("enter")
	d.Until("it is on again", func(frame string) bool {
		for line := range strings.SplitSeq(frame, "\n") {
			if strings.Contains(line, "stripe-webhooks-v2   on ") && strings.Contains(line, "oncall@") {
				return true
			}
		}
		return false
	})
	uitest.Boxed(t, d.Frame(), 170, 50)
}

// TestDemoAsksAndFindsTheWrongSplit pins a user and looks into an experiment.
func TestDemoAsksAndFindsTheWrongSplit(t *testing.T) {
	d, _ := demoConsole(t, 200, 50)
	lines(d, "pods of deploy/payments-api").Tap("8")
	lines(d, "stripe-webhooks-v2").Tap("a")
	lines(d, "Ask for whom?")
	typed(d, "user-42").Tap("enter")
	lines(d, "ask user-42 in production", "vector", "TARGETING_MATCH")
	typed(d.Tap("1").Tap("/"), "deploy/checkout").Tap("enter").Tap("8")
	lines(d, "used by deploy/checkout").Tap("x")
	lines(d.Tap("z"), "experiments of deploy/checkout", "checkout-flow", "split is wrong", "cart-upsell", "control-contaminated", "Fraud model")
	d.Tap("enter").Tap("s")
	lines(d, "Which user?")
	typed(d, "user-1").Tap("enter")
	lines(d, "4048 of 10000", "variant_b", "Sample-ratio mismatch", "turn off the flag checkout-experiment")
	d.Tap("K")
	lines(d, "Turn checkout-experiment off in production?").Tap("esc")
	d.Tap("esc").Tap("j").Tap("K")
	lines(d, "End the experiment cart-upsell?", "traffic_percent", "-1").Tap("esc")
}
