package theme

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"midwatch/live"
)

// terminals are all kinds of terminal there is a theme for.
func terminals() []Options {
	var all []Options
	for i := range 32 {
		bit := func(n int) bool { return i>>n&1 == 1 }
		all = append(all, Options{Light: bit(0), Color: bit(1), ASCII: bit(2), Stale: bit(3), Basic: bit(4)})
	}
	return all
}

func TestSignsAreOneCellAndDistinct(t *testing.T) {
	for _, o := range terminals() {
		s := New(o)
		seen := map[string]live.Severity{}
		for sev := live.Unknown; sev <= live.Fail; sev++ {
			sign := s.Sign(sev)
			if w := lipgloss.Width(sign); w != 1 {
				t.Errorf("%+v: the sign of %v is %d cells wide", o, sev, w)
			}
			if other, dup := seen[sign]; dup {
				t.Errorf("%+v: %v and %v have the same sign %q", o, sev, other, sign)
			}
			seen[sign] = sev
			if o.ASCII && (len(sign) != 1 || sign[0] > 0x7e) {
				t.Errorf("sign %q of %v is not ASCII", sign, sev)
			}
		}
	}
}

func TestBordersAreOneCellAndNoEmoji(t *testing.T) {
	for _, o := range terminals() {
		b := New(o).Border()
		for _, part := range []string{b.Top, b.Bottom, b.Left, b.Right, b.TopLeft, b.TopRight, b.BottomLeft, b.BottomRight, b.MiddleLeft, b.MiddleRight, b.Middle, b.MiddleTop, b.MiddleBottom} {
			if lipgloss.Width(part) != 1 {
				t.Errorf("%+v: border part %q is not one cell wide", o, part)
			}
			for _, r := range part {
				if r >= 0x2600 {
					t.Errorf("%+v: border part %q may be drawn as an emoji", o, part)
				}
				if o.ASCII && r > 0x7e {
					t.Errorf("border part %q is not ASCII", part)
				}
			}
		}
	}
}

// TestRenderIsLipGlossRender holds the short cut of Render to what the style
// itself would draw.
func TestRenderIsLipGlossRender(t *testing.T) {
	ours := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, o := range terminals() {
		s := New(o)
		for tok := range tokens {
			const text = "3 of 5 ready"
			got := s.Render(tok, text)
			if want := s.Style(tok).Render(text); got != want && !s.Style(tok).GetUnderline() {
				t.Errorf("%+v token %d: %q, Lip Gloss draws %q", o, tok, got, want)
			}
			if plain := ours.ReplaceAllString(got, ""); plain != text || ansi.StringWidth(got) != len(text) {
				t.Errorf("%+v token %d: more than attributes in %q", o, tok, got)
			}
		}
		if got := s.Render(Fail, ""); got != "" {
			t.Errorf("nothing is drawn as %q", got)
		}
	}
}

func TestEveryTokenHasALookInColour(t *testing.T) {
	for _, light := range []bool{false, true} {
		s := New(Options{Color: true, Light: light})
		for tok := range tokens {
			if tok != Text && s.open[tok] == "" {
				t.Errorf("light %v: token %d is not defined", light, tok)
			}
		}
	}
}

func TestMeaningSurvivesWithoutColour(t *testing.T) {
	for _, o := range []Options{{}, {ASCII: true}, {Stale: true}, {Color: true, Basic: true}, {Color: true, Basic: true, Light: true}} {
		s := New(o)
		for _, pair := range [][2]Token{{Selected, Text}, {SelectedDim, Text}, {Selected, SelectedDim}, {Danger, Text}, {BorderFocus, Border}, {Match, Text}, {Chip, Text}} {
			if s.open[pair[0]] == s.open[pair[1]] {
				t.Errorf("%+v: tokens %d and %d look the same: %q", o, pair[0], pair[1], s.open[pair[0]])
			}
		}
	}
}

func TestNoColourMeansNoColourCodes(t *testing.T) {
	coloured := regexp.MustCompile(`\x1b\[(?:[0-9;]*;)?(?:3[0-9]|4[0-9]|9[0-7]|10[0-7])[;m]`)
	for _, o := range terminals() {
		if o.Color {
			continue
		}
		s := New(o)
		for tok := range tokens {
			if got := s.Render(tok, "x"); coloured.MatchString(got) {
				t.Errorf("%+v token %d has colour: %q", o, tok, got)
			}
		}
	}
}

func TestSixteenColoursAreTheTerminalsOwn(t *testing.T) {
	for _, light := range []bool{false, true} {
		s := New(Options{Color: true, Basic: true, Light: light})
		for tok := range tokens {
			if got := s.Render(tok, "x"); strings.Contains(got, "38;") || strings.Contains(got, "48;") {
				t.Errorf("light %v token %d uses an extended colour: %q", light, tok, got)
			}
		}
	}
}

func TestStaleTakesTheColourOfSeverities(t *testing.T) {
	s := New(Options{Color: true, Stale: true})
	for _, tok := range []Token{OK, Warn, Info, Text} {
		if s.Render(tok, "x") != s.Render(Faint, "x") {
			t.Errorf("token %d is not dimmed: %q", tok, s.Render(tok, "x"))
		}
	}
	if s.Render(Selected, "x") != New(Options{Color: true}).Render(Selected, "x") {
		t.Error("the cursor is dimmed too")
	}
}

func BenchmarkRender(b *testing.B) {
	s := New(Options{Color: true})
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Render(Fail, "CrashLoopBackOff")
	}
}

func ExampleStyles_Sign() {
	s := New(Options{ASCII: true})
	fmt.Println(s.Sign(live.OK), s.Sign(live.Info), s.Sign(live.Warn), s.Sign(live.Fail), s.Sign(live.Unknown))
	// Output: . ~ ! x ?
}
