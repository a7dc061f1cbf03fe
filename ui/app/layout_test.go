package app_test

import (
	"slices"
	"strings"
	"testing"

	"midwatch/ui/pane"
)

// TestPanesOfOnePlaceAreTabs puts two more panes where the rollout stands.
func TestPanesOfOnePlaceAreTabs(t *testing.T) {
	for _, c := range []struct {
		w, h int
		see  []string // what the first two title lines hold
	}{
		{200, 50, []string{"[1] board", "[2] rollout checkout", "[5] probes", "[6] hpa"}},
		{120, 40, []string{"[1] board", "[2] rollout checkout", "[5] probes", "[6] hpa"}},
		{40, 12, []string{"[1] board", " 2 ", " 3 ", " 6 "}},
	} {
		r := newRig(t)
		r.opts.Panes = append(r.opts.Panes, r.more()...)
		d := r.start(c.w, c.h)
		top := strings.Join(strings.Split(d.Plain(), "\n")[:3], "\n")
		for _, want := range c.see {
			if !strings.Contains(top, want) {
				t.Errorf("at %dx%d the titles are not %q:\n%s", c.w, c.h, want, top)
			}
		}
		d.Press("6")
		if top := strings.Join(strings.Split(d.Plain(), "\n")[:3], "\n"); !strings.Contains(top, "[6] hpa checkout") {
			t.Errorf("at %dx%d 6 does not bring the pane up:\n%s", c.w, c.h, top)
		}
	}
}

// TestAPaneIsToldWhetherItIsViewed: what is only read while it is looked at
// must stop when its tab is left.
func TestAPaneIsToldWhetherItIsViewed(t *testing.T) {
	r := newRig(t)
	r.opts.Panes = append(r.opts.Panes, r.more()...)
	d := r.start(120, 40)
	d.Press("6").Press("2").Press("6").Press("z")
	hpa := r.panes[slices.IndexFunc(r.panes, func(p *listPane) bool { return p.id == "hpa" })]
	if want := []bool{true, false, true}; !slices.Equal(hpa.viewed, want) {
		t.Errorf("the pane was told %v, want %v", hpa.viewed, want)
	}
	board := r.panes[slices.IndexFunc(r.panes, func(p *listPane) bool { return p.id == pane.Board })]
	if want := []bool{true, false}; !slices.Equal(board.viewed, want) {
		t.Errorf("the board was told %v, want %v: the zoom hides it", board.viewed, want)
	}
}
