package demo

import (
	"fmt"
	"time"

	"midwatch/flags/experiment"
)

// The shop's experiments as the pods know them, by the workload that runs them.
func experimentOf(app string) (experiment.Definition, bool) {
	switch app {
	case "checkout":
		return experiment.Definition{Name: "checkout-flow", Variants: []string{"control", "variant_a", "variant_b"}, Traffic: 0.5}, true
	case "cart":
		return experiment.Definition{Name: "cart-upsell", Variants: []string{"control", "upsell"}, Traffic: 0.01}, true
	}
	return experiment.Definition{}, false
}

// exposure is the line of a user who meets an experiment: every third line of a workload that runs one. The page of checkout's
// variant_a breaks for two users of five before it reports them, which is what makes the split wrong.
func (l life) exposure(i int64, at time.Time) (string, bool) {
	d, ok := experimentOf(l.pod.Labels["app"])
	if !ok || l.name != "api" || i%3 != 0 {
		return "", false
	}
	user := fmt.Sprintf("user-%d", l.hash(i, "user")%12000)
	a, err := d.Assign(user)
	if err != nil || a.Variant == "variant_a" && a.Bucket%5 < 2 {
		return "", false
	}
	return l.json(at, "info", experiment.ExposureEvent, fmt.Sprintf(`"experiment": %q, "variant": %q, "user_id": %q`, d.Name, a.Variant, user)), true
}
