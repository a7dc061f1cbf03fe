package demo

import (
	"context"
	_ "embed" // the flag files
	"fmt"
	"slices"
	"sync"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/file"
	"midwatch/flags/toggle"
	"midwatch/foreign"
	"midwatch/live"
)

// The shop's flags, in LaunchDarkly's file format.
var (
	//go:embed flags/production.json
	productionFlags []byte
	//go:embed flags/staging.json
	stagingFlags []byte
)

// ExperimentsMap is where the shop's own experiments are defined, in the namespace of every workload that has some.
const ExperimentsMap = "experiments"

// experimentsYAML is what the checkout and the cart read.
const experimentsYAML = `# owned by growth; checkout and cart read it every 30 s
experiments:
- name: checkout-flow
  variants: [control, variant_a, variant_b]
  traffic_percent: 0.5   # a fraction, not a percentage
  flag: checkout-experiment
- name: cart-upsell
  variants: [control, upsell]
  traffic_percent: 0.01
`

// FlagProvider is what the embedded provider is called.
const FlagProvider = "demo"

// Flags opens the flag provider of a context: the shop's flags in production and in staging, in memory, with somebody's
// traffic on them. Each call makes one of its own.
func (w *World) Flags(ctx context.Context, name string, planner *toggle.Planner) ([]flags.Provider, error) {
	if w.Server(name) == nil {
		return nil, fmt.Errorf("the demo has no context %s", name)
	}
	now := w.now()
	stores := map[string]*file.Memory{
		"production": file.NewMemory("flags/production.json", productionFlags, now.Add(-15*time.Minute), w.now),
		"staging":    file.NewMemory("flags/staging.json", stagingFlags, now.Add(-50*time.Hour), w.now),
	}
	traffic := &flagTraffic{now: w.now, start: now.Add(-10 * time.Minute), stores: stores, parts: map[string][]served{}}
	p, err := file.New(ctx, file.Options{
		Name: FlagProvider, Clock: clock{w.now}, Planner: planner, Identity: "oncall@shop.example",
		Environments: []file.Environment{
			{Environment: flags.Environment{Key: "production", Name: "Production", Production: true, Confirm: true, RequireComment: true}, Store: stores["production"]},
			{Environment: flags.Environment{Key: "staging", Name: "Staging"}, Store: stores["staging"]},
		},
		Stats: traffic.stats, History: flagHistory(now),
	})
	if err != nil {
		return nil, fmt.Errorf("open the demo's flags: %w", err)
	}
	return []flags.Provider{p}, nil
}

// clock is the world's clock for what waits by itself.
type clock struct{ now func() time.Time }

func (c clock) Now() time.Time { return c.now() }

func (clock) After(d time.Duration) (<-chan time.Time, func()) { return live.SystemClock{}.After(d) }

// flagHistory is who changed what before the night began: the switch nine minutes before the payments release that crashes, and
// the one nine minutes before the checkout release that does not get ready.
func flagHistory(now time.Time) []flags.Change {
	at := func(env, key string, ago time.Duration, by, summary, comment string, diff ...action.Field) flags.Change {
		return flags.Change{
			ID: fmt.Sprintf("%s/%s/%d", env, key, int(ago.Minutes())), At: now.Add(-ago), By: foreign.Text(by), Environment: env, Key: key,
			Action: "updated", Summary: foreign.Text(summary), Comment: foreign.Text(comment), Diff: diff,
		}
	}
	on := action.Field{Path: "on", Before: "false", After: "true"}
	return []flags.Change{
		at("production", "express-pay", 15*time.Minute, "dana@shop.example", "serves true, after 2 rules, it was true 25 %, false 75 % by user key", "all in before the campaign",
			action.Field{Path: "fallthrough.rollout", Before: `{"variations":[{"variation":0,"weight":25000},{"variation":1,"weight":75000}]}`, After: "(none)"},
			action.Field{Path: "fallthrough.variation", Before: "(none)", After: "0"}),
		at("production", "express-pay", 3*24*time.Hour, "dana@shop.example", "serves true 25 %, false 75 % by user key, it was true 5 %, false 95 % by user key", "first week looks good"),
		at("production", "express-pay", 9*24*time.Hour, "dana@shop.example", "turned on", "", on),
		at("production", "stripe-webhooks-v2", 34*time.Minute, "kim@shop.example", "turned on", "goes with payments-api 4.2.0", on),
		at("production", "semantic-search", 26*time.Hour, "lee@shop.example", "serves vector 25 %, keyword 75 % by user key, it was vector 10 %, keyword 90 % by user key", ""),
		at("production", "checkout-experiment", 6*24*time.Hour, "growth@shop.example", "turned on", "checkout-flow starts", on),
		at("production", "fraud-model", 16*24*time.Hour, "risk@shop.example", "targeting changed", "v4 against v3, half and half"),
		at("production", "free-shipping-threshold", 41*24*time.Hour, "ops@shop.example", "serves 60, after 2 rules, it was 50, after 2 rules", ""),
		at("production", "cart-merge-on-login", 600*24*time.Hour, "sam@shop.example", "turned on", "", on),
		at("staging", "new-recommendation-engine", 50*time.Hour, "lee@shop.example", "turned on", "", on),
		at("staging", "express-pay", 12*24*time.Hour, "dana@shop.example", "turned on", "", on),
	}
}

// flagTraffic counts what applications would have been served. They ask for their flags anew every two seconds and a half.
type flagTraffic struct {
	now    func() time.Time
	start  time.Time
	stores map[string]*file.Memory

	mu    sync.Mutex
	parts map[string][]served // by environment
}

// served is how each flag divided its users from a time on.
type served struct {
	from time.Time
	raw  *byte // of the text it was worked out for
	by   map[string]map[foreign.Text]float64
}

const pollEvery = 2500 * time.Millisecond

// perMinute is how often a flag is evaluated; 0 for one that nobody asks for.
func perMinute(environment, key string) float64 {
	rates := map[string]float64{
		"express-pay": 642, "checkout-v2": 1310, "checkout-experiment": 655, "stripe-webhooks-v2": 188, "semantic-search": 2240,
		"fraud-model": 190, "free-shipping-threshold": 905, "maintenance-banner": 4100, "image-cdn": 5200, "new-recommendation-engine": 870, "max-cart-items": 310,
	}
	if environment == "staging" {
		return rates[key] / 50
	}
	return rates[key]
}

func (t *flagTraffic) stats(environment, key string) *flags.Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.look(environment)
	s := &flags.Stats{Since: t.start, Until: now, Note: "evaluations, not users"}
	counts := map[foreign.Text]float64{}
	var order []foreign.Text
	parts := t.parts[environment]
	for i, p := range parts {
		until := now
		if i+1 < len(parts) && parts[i+1].from.Before(now) {
			until = parts[i+1].from
		}
		minutes := max(0, until.Sub(p.from).Minutes())
		for variant, share := range p.by[key] {
			if _, there := counts[variant]; !there {
				order = append(order, variant)
			}
			counts[variant] += minutes * share * perMinute(environment, key)
		}
	}
	for _, v := range slices.Sorted(slices.Values(order)) {
		if n := int64(counts[v]); n > 0 {
			s.Counts = append(s.Counts, flags.Count{Variant: v, N: n})
		}
	}
	return s
}

// look notes what is served from now on when the flags changed.
func (t *flagTraffic) look(environment string) {
	store := t.stores[environment]
	if store == nil {
		return
	}
	raw, modified, err := store.Read(context.Background())
	if err != nil || len(raw) == 0 {
		return
	}
	parts := t.parts[environment]
	if n := len(parts); n > 0 && parts[n-1].raw == &raw[0] {
		return
	}
	by, err := file.Split(raw)
	if err != nil {
		return
	}
	from := t.start
	if len(parts) > 0 {
		from = modified.Add(pollEvery)
	}
	t.parts[environment] = append(parts, served{from: from, raw: &raw[0], by: by})
}
