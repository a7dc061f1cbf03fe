package experiment

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

func at(s int) time.Time { return time.Date(2026, 11, 24, 3, 0, s, 0, time.UTC) }

func TestExposureLines(t *testing.T) {
	want := Exposure{Experiment: "checkout-flow", Variant: "variant_a", User: "u1", At: at(1)}
	for name, line := range map[string]string{
		"structlog":         `{"timestamp": "2026-11-24T03:00:00Z", "level": "info", "event": "experiment_exposure", "experiment": "checkout-flow", "variant": "variant_a", "user_id": "u1"}`,
		"with properties":   `{"event":"experiment_exposure","properties":{"experiment":"checkout-flow","variant":"variant_a","user_id":"u1"}}`,
		"behind a prefix":   `INFO:app:{"message":"experiment_exposure","experiment":"checkout-flow","variant":"variant_a","userId":"u1"}`,
		"structlog console": `2026-11-24 03:00:00 [info     ] experiment_exposure            experiment=checkout-flow user_id=u1 variant=variant_a`,
		"logfmt, quoted":    `level=info msg=experiment_exposure experiment="checkout-flow" variant='variant_a' user="u1" took=3ms`,
	} {
		if got, ok := ParseExposure(line, at(1)); !ok || got != want {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	for name, line := range map[string]string{
		"another event":   `{"event":"request.finished","path":"/api/cart"}`,
		"only mentioned":  `{"event":"request.finished","note":"experiment_exposure","experiment":"x","variant":"y","user_id":"z"}`,
		"no user":         `{"event":"experiment_exposure","experiment":"x","variant":"y"}`,
		"cut off":         `{"event":"experiment_exposure","experiment":"x","variant":"y","user_`,
		"nothing behind":  `experiment_exposure`,
		"a number inside": `{"event":"experiment_exposure","experiment":3.5,"variant":true,"user_id":"z"}`,
	} {
		if got, ok := ParseExposure(line, at(1)); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got, ok := ParseExposure(`{"event":"experiment_exposure","experiment":"x","variant":"y","user_id":12345678901234567890}`, at(1)); !ok || got.User != "12345678901234567890" {
		t.Errorf("a number as user: %+v", got)
	}
}

func TestUsersAreCountedOnce(t *testing.T) {
	d := checkout(.5)
	c := NewCounter(d)
	for i := range 300 {
		user := "user-" + strconv.Itoa(i%100)
		a, err := d.Assign(user)
		if err != nil {
			t.Fatal(err)
		}
		c.Add(Exposure{Experiment: d.Name, Variant: a.Variant, User: user, At: at(i)})
	}
	c.Add(Exposure{Experiment: d.Name, Variant: "variant_b", User: "user-2", At: at(400)}) // control by the definition
	got := c.Result()[0]
	if got.Lines != 301 || got.Users != 100 || got.Several != 1 || got.Differ != 1 || got.Sampled != 1 || got.First != at(0) || got.Last != at(400) {
		t.Errorf("%+v", got)
	}
	sum := 0
	for _, n := range got.ByVariant {
		sum += n
	}
	if sum != 99 {
		t.Errorf("%d users of one variant, want 99", sum)
	}
}

func TestTheCounterStaysSmallAndFair(t *testing.T) {
	c := NewCounter()
	c.most = 1000
	for i := range 50_000 {
		c.Add(Exposure{Experiment: "x", Variant: []string{"a", "b"}[i%2], User: strconv.Itoa(i)})
	}
	got := c.Result()[0]
	if got.Users > 1000 || got.Users < 400 || got.Lines != 50_000 {
		t.Errorf("%+v", got)
	}
	if estimate := float64(got.Users) / got.Sampled; estimate < 40_000 || estimate > 60_000 {
		t.Errorf("the sample of %d stands for %.0f users", got.Users, estimate)
	}
	if s := TestSplit([]Arm{{Variant: "a", Users: got.ByVariant["a"]}, {Variant: "b", Users: got.ByVariant["b"]}}, []float64{1, 1}); s.Health != Balanced {
		t.Errorf("the sample favours one: %+v", s)
	}
	for i := range 100 {
		c.Add(Exposure{Experiment: fmt.Sprint("e", i), Variant: fmt.Sprint("v", i), User: "u"})
		c.Add(Exposure{Experiment: "x", Variant: fmt.Sprint("v", i), User: "u"})
	}
	if n := len(c.Result()); n != MostExperiments || c.Dropped != 100-(MostExperiments-1) {
		t.Errorf("%d experiments, %d dropped", n, c.Dropped)
	}
}

func FuzzParseExposure(f *testing.F) {
	f.Add(`{"event":"experiment_exposure","experiment":"x","variant":"y","user_id":"z"}`)
	f.Add(`experiment_exposure experiment=x variant="y user=z`)
	f.Fuzz(func(t *testing.T, line string) {
		e, ok := ParseExposure(line, time.Time{})
		if ok && (e.Experiment == "" || e.Variant == "" || e.User == "") {
			t.Errorf("%q gave %+v", line, e)
		}
	})
}
