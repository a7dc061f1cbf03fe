package metrics

import (
	"strings"
	"testing"
)

const page = `# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200",path="/a\"b}c"} 1000
http_requests_total{path="/",code="200"} 2.5e2 1700000000000
http_requests_total{code="500"} 3
http_requests_totally 9
http_requests_total_created 1.7e9
# TYPE in_flight gauge
in_flight 12
broken{code="200" 5
nan NaN
`

func TestReading(t *testing.T) {
	for text, want := range map[string]Reading{
		"http_requests_total":                               {Value: 1253, Series: 3},
		`http_requests_total{code="200"}`:                   {Value: 1250, Series: 2},
		`http_requests_total{ code="200" , path="/a\"b}c"}`: {Value: 1000, Series: 1},
		`http_requests_total{code="404"}`:                   {},
		"in_flight":                                         {Value: 12, Series: 1, Gauge: true},
		"requests":                                          {},
		"broken":                                            {},
		"nan":                                               {},
	} {
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Read(page); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestSelectorsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "9x", "a b", `a{b=c}`, `a{b="c"`, `a{b="c" d="e"}`, "sum(a)"} {
		if s, err := Parse(text); err == nil {
			t.Errorf("%q is %+v", text, s)
		}
	}
}

func TestBetween(t *testing.T) {
	counter := func(v float64) Reading { return Reading{Value: v, Series: 1} }
	for name, c := range map[string]struct {
		before, after Reading
		want          float64
		why           string
	}{
		"a counter":    {counter(100), counter(350), 250, ""},
		"a gauge":      {Reading{10, 1, true}, Reading{20, 1, true}, 150, ""},
		"began anew":   {counter(100), counter(5), 0, "began anew"},
		"nothing":      {counter(100), counter(100), 0, "no request"},
		"not there":    {Reading{}, counter(5), 0, "does not have it"},
		"not any more": {counter(5), Reading{}, 0, "does not have it"},
	} {
		got, err := Between(c.before, c.after, 10)
		if got != c.want || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a", page)
	f.Fuzz(func(_ *testing.T, selector, page string) {
		if s, err := Parse(selector); err == nil {
			s.Read(page)
		}
	})
}
