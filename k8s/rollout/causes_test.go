package rollout

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"midwatch/k8s"
)

const (
	causesPage = "../../docs/CAUSES.md"
	bedTests   = "../../testbed/e2e/*_test.go"
)

// proof is where a kind of cause is proven: situations in which it comes
// first, and cases of the test bed.
type proof struct {
	situations []string
	text       string
	bed        []string
}

// proofs collects them from the situations' verdicts and from the test bed's
// source: a test that is not there cannot be listed.
func proofs(t *testing.T) map[k8s.CauseKind]*proof {
	t.Helper()
	out := map[k8s.CauseKind]*proof{}
	for _, r := range Ladder() {
		out[r.Kind] = &proof{}
	}
	for _, s := range situations(t) {
		v, _ := Assess(s.input)
		for i := range v.Causes {
			c := &v.Causes[i]
			p := out[c.Kind]
			if p == nil {
				t.Fatalf("%s: the ladder has no rung for %q", s.name(), c.Kind)
			}
			if c.Step != rungOf(c.Kind).Step || (c.Next == "") {
				t.Errorf("%s: cause %+v is not as its rung says", s.name(), c)
			}
			if !slices.Contains(p.situations, s.name()) {
				p.situations = append(p.situations, s.name())
			}
			if p.text == "" || strings.HasPrefix(s.name(), "cause_") && !strings.HasPrefix(p.situations[0], "cause_") {
				p.text = c.Text.String()
			}
			slices.SortStableFunc(p.situations, func(a, b string) int { return forCause(b) - forCause(a) })
		}
	}
	files, err := filepath.Glob(bedTests)
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of the test bed in %s: %v", bedTests, err)
	}
	named := regexp.MustCompile(`\bcause: "([a-z-]+)"`)
	in := regexp.MustCompile(`(?m)^func (Test\w*Cause\w*)\(`)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		test := in.FindSubmatch(raw)
		for _, m := range named.FindAllSubmatch(raw, -1) {
			p := out[k8s.CauseKind(m[1])]
			switch {
			case p == nil:
				t.Errorf("%s plays %q, which the ladder does not have", f, m[1])
			case test == nil:
				t.Errorf("%s plays %q in no test", f, m[1])
			default:
				p.bed = append(p.bed, string(test[1])+"/"+string(m[1]))
			}
		}
	}
	return out
}

// forCause is 1 for a situation that was made for one cause.
func forCause(name string) int {
	if strings.HasPrefix(name, "cause_") {
		return 1
	}
	return 0
}

// TestEveryCauseIsProven holds the page to the tests: every rung of the ladder
// has a situation that proves it, and docs/CAUSES.md lists what there is.
func TestEveryCauseIsProven(t *testing.T) {
	known := proofs(t)
	for _, r := range Ladder() {
		if len(known[r.Kind].situations) == 0 {
			t.Errorf("no situation proves %q", r.Kind)
		}
	}
	page := causesMarkdown(known)
	if *update {
		if err := os.WriteFile(causesPage, page, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(causesPage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, page) {
		t.Errorf("docs/CAUSES.md does not list the causes as they are: go test ./k8s/rollout -run TestEveryCauseIsProven -update")
	}
}

// TestTheLadderHasEveryKindOnce: adviceFor and stepOf look kinds up in it.
func TestTheLadderHasEveryKindOnce(t *testing.T) {
	raw, err := os.ReadFile("../cause.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`CauseKind = "([a-z-]+)"`).FindAllSubmatch(raw, -1)
	seen := map[k8s.CauseKind]int{}
	step := 1
	for _, r := range Ladder() {
		seen[r.Kind]++
		if r.Step != 0 && r.Step < step || r.Step > 14 {
			t.Errorf("%s stands on step %d after step %d", r.Kind, r.Step, step)
		}
		step = max(step, r.Step)
		if r.Evidence == "" || r.Next == "" {
			t.Errorf("%s does not say what it is read from and what to do", r.Kind)
		}
	}
	for _, k := range kinds {
		if seen[k8s.CauseKind(k[1])] != 1 {
			t.Errorf("%s stands %d times on the ladder", k[1], seen[k8s.CauseKind(k[1])])
		}
	}
	if len(kinds) != len(seen) {
		t.Errorf("%d kinds, %d on the ladder", len(kinds), len(seen))
	}
}

// causesMarkdown is docs/CAUSES.md.
func causesMarkdown(known map[k8s.CauseKind]*proof) []byte {
	var b bytes.Buffer
	b.WriteString(causesHead)
	for _, r := range Ladder() {
		p := known[r.Kind]
		step := "–"
		if r.Step > 0 {
			step = fmt.Sprint(r.Step)
		}
		bed := "–"
		if len(p.bed) > 0 {
			bed = "`" + strings.Join(p.bed, "` `") + "`"
		}
		shown := p.situations[:min(len(p.situations), 4)]
		more := ""
		if n := len(p.situations) - len(shown); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | `%s`%s | %s | %s |\n", step, r.Kind, markdownCell(r.Evidence), markdownCell(p.text),
			strings.Join(shown, "` `"), more, bed, markdownCell(r.Next))
	}
	b.WriteString(causesTail)
	return b.Bytes()
}

func markdownCell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(s)
}

const causesHead = `# Why pods of a rollout are not available

This page is made from the code: ` + "`go test ./k8s/rollout -run TestEveryCauseIsProven -update`" + `. A test fails when it is
out of date, when a cause has no situation that proves it, or when a test it lists does not exist.

midwatch climbs a ladder of evidence for every pod of the new revision, from the API server that may refuse it to the probe that has
not passed. The first rung that holds speaks. Pods with the same cause are counted together, the cause stands first in the sentence
("4/5 new pods: readiness GET :8000/readyz answers 503 since 23:29; …"), and ` + "`midwatch status -o json`" + ` carries it typed as ` + "`causes`" + `.

- A cause is named as soon as the evidence is there; that waiting will not help (` + "`fatal`" + `) is said before the progress deadline.
- Event counts are a floor: recorders drop what repeats too fast and join what differs ("(combined from similar events)"). That there is
  no event proves nothing, and is said so.
- Pods of old revisions that fail the same way: "not this rollout".
- PodDisruptionBudgets never block a rollout: controllers delete pods directly. They block evictions (a drain) only.
- A cluster clock ahead of this machine's or behind it is named (from the date of the API server's answers, and from times in our future), and the
  cluster's is the one reckoned with.

Situations are files of ` + "`k8s/rollout/testdata`, judged by `TestAssess/NAME`" + `. The test bed's are real: API server, scheduler and controllers, with a
kubelet that is played (` + "`testbed/e2e`" + `); where there is none, a kubelet would have to be real too.

| step | kind | read from | told as | situations | test bed | what to do |
|---|---|---|---|---|---|---|
`

const causesTail = `
## What cannot be known

- Whether a probe that has not failed in an event has failed at all: successes and latencies are not published.
- Who killed a container with 137 or 143 when the kubelet's event has expired (events are kept for an hour): then "killed" is all that is said.
- How much memory a container used when it was killed: the limit is known, the use is not kept anywhere.
- Why a node lost a container, and what a runtime's own words mean beyond what it says.
`
