package experiment

import (
	"math"
	"strings"
	"testing"
)

const listDocument = `# owned by growth
experiments:
  - name: checkout-flow   # since November
    variants: [control, variant_a, variant_b]
    traffic_percent: 0.1  # a fraction
    flag: checkout-experiment
  - name: "größe"
    variants: ["a", "b"]
    traffic_percent: "0.5"
`

func TestParse(t *testing.T) {
	got, err := Parse([]byte(listDocument), "ConfigMap shop/experiments")
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if d := got[0]; d.Name != "checkout-flow" || len(d.Variants) != 3 || d.Traffic != .1 || d.Flag != "checkout-experiment" || d.From != "ConfigMap shop/experiments" {
		t.Errorf("%+v", d)
	}
	if d := got[1]; d.Name != "größe" || d.Traffic != .5 {
		t.Errorf("%+v", d)
	}
	for name, text := range map[string]string{
		"one":                 "{name: checkout-flow, variants: [a, b], traffic_percent: 1}",
		"JSON":                `{"name":"checkout-flow","variants":["a","b"],"traffic":1}`,
		"keyed by name":       "checkout-flow: {variants: [a, b], traffic_percent: 1}",
		"a list":              "[{name: checkout-flow, variants: [a, b], traffic_percent: 1}]",
		"below experiments":   "experiments: {checkout-flow: {variants: [a, b], traffic_percent: 1}}",
		"not a number is one": "{name: checkout-flow, variants: [a, b], traffic_percent: .nan}",
	} {
		got, err := Parse([]byte(text), "x")
		if err != nil || len(got) != 1 || got[0].Name != "checkout-flow" || got[0].Traffic != 1 && !math.IsNaN(got[0].Traffic) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := Parse(nil, "x"); got != nil || err != nil {
		t.Errorf("nothing: %+v, %v", got, err)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"hello": "experiments in f: line 1: want an experiment with name, variants and traffic_percent",
		"- x":   "experiments in f: line 1: want an experiment with name, variants and traffic_percent",
		"a: [":  "experiments in f: line 1: did not find expected node content",
		"{name: x, variants: [a], traffic_percent: lots}":                              `experiments in f: line 1: traffic "lots": want a number from 0.0 to 1.0`,
		"{name: x, variants: [a]}":                                                     "experiments in f: experiment x: traffic_percent is missing",
		"[{variants: [a], traffic: 1}]":                                                "experiments in f: line 1: an experiment without a name",
		"[{name: x, variants: [a], traffic: 1}, {name: x, variants: [a], traffic: 1}]": `experiments in f: "x" stands there twice`,
		"{name: " + strings.Repeat("n", 300) + ", variants: [a], traffic: 1}":          "experiments in f: line 1: the name is 300 bytes long, the limit is 256",
		"{name: x, traffic: 1, variants: [" + strings.Repeat("a,", 300) + "a]}":        "experiments in f: experiment x: 301 variants, the limit is 256",
		"{name: x, variants: {a: b}, traffic: 1}":                                      "experiments in f: unmarshal errors: line 1: cannot unmarshal !!map into []string",
	} {
		_, err := Parse([]byte(text), "f")
		if err == nil || strings.Join(strings.Fields(err.Error()), " ") != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func TestSetTrafficChangesTheNumberAndNothingElse(t *testing.T) {
	got, err := SetTraffic([]byte(listDocument), "checkout-flow", -1)
	if want := strings.Replace(listDocument, "traffic_percent: 0.1", "traffic_percent: -1", 1); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	got, err = SetTraffic([]byte(listDocument), "größe", 0.25)
	if want := strings.Replace(listDocument, `"0.5"`, "0.25", 1); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	text := `{ größe: {variants: [a, b], traffic: 0.3}, x: {variants: [a], traffic: 0.3} }`
	got, err = SetTraffic([]byte(text), "x", -1)
	if want := `{ größe: {variants: [a, b], traffic: 0.3}, x: {variants: [a], traffic: -1} }`; err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := SetTraffic([]byte(listDocument), "gone", -1); err == nil || err.Error() != "experiment gone is not there any more" {
		t.Errorf("%v", err)
	}
	if _, err := SetTraffic([]byte("x: {variants: [a], traffic: &t 0.3}"), "x", -1); err == nil || !strings.Contains(err.Error(), "a form midwatch does not edit") {
		t.Errorf("an anchor: %v", err)
	}
}

func FuzzSetTraffic(f *testing.F) {
	f.Add(listDocument, "checkout-flow")
	f.Add("x: {variants: [a], traffic: 0.3}", "x")
	f.Fuzz(func(t *testing.T, text, name string) {
		changed, err := SetTraffic([]byte(text), name, -1)
		if err != nil {
			return
		}
		before, err := Parse([]byte(text), "f")
		if err != nil {
			return
		}
		after, err := Parse(changed, "f")
		if err != nil {
			t.Fatalf("%q became unreadable %q: %v", text, changed, err)
		}
		for i, d := range after {
			if d.Name == name && d.Traffic != -1 || d.Name != before[i].Name {
				t.Fatalf("%q became %q", text, changed)
			}
		}
	})
}
