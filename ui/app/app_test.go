package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/live"
	"midwatch/ui/app"
	"midwatch/ui/pane"
	"midwatch/ui/uitest"
)

func TestEverySizeIsAnExactBox(t *testing.T) {
	for name, keys := range map[string][]string{
		"board": nil, "zoomed": {"z"}, "help": {"?"}, "palette": {":"}, "logs on top": {"l"}, "filter": {"/"},
		"contexts": {"c"}, "namespaces": {"n"}, "confirm": {"S"}, "toast": {"P"}, "last pane": {"4"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newRig(t).start(120, 40).Press(keys...)
			for _, size := range [][2]int{{10, 3}, {1, 1}, {39, 12}, {40, 11}, {40, 12}, {41, 13}, {60, 15}, {80, 24}, {99, 30}, {100, 18}, {120, 40}, {159, 50}, {160, 20}, {160, 50}, {200, 50}} {
				d.Resize(size[0], size[1])
				if !uitest.Boxed(t, d.Frame(), size[0], size[1]) {
					t.Fatalf("at %dx%d", size[0], size[1])
				}
			}
		})
	}
}

func TestEveryWidthAndHeightUpToTwoColumns(t *testing.T) {
	d := newRig(t).start(120, 40)
	uitest.Sizes(200, 50, func(w, h int) {
		d.Resize(w, h)
		uitest.Boxed(t, d.Frame(), w, h)
	})
}

func TestATerminalThatIsTooSmallSaysSo(t *testing.T) {
	d := newRig(t).start(10, 3)
	d.See("40x12")
	d.Resize(39, 20).See("midwatch needs 40x12, this is 39x20")
	d.Resize(40, 12).Idle().See("checkout", "READ-ONLY")
}

func TestLayoutsByWidth(t *testing.T) {
	for _, c := range []struct {
		w, h  int
		tiles string // titles on the screen
	}{
		{200, 50, "board|rollout checkout|pods checkout|events"},
		{120, 40, "board|rollout checkout|pods checkout"},
		{80, 24, "board"},
	} {
		d := newRig(t).start(c.w, c.h)
		for _, title := range strings.Split(c.tiles, "|") {
			d.See(title)
		}
		d.Golden(fmt.Sprintf("layout-%dx%d", c.w, c.h))
	}
}

func TestTheHeaderAlwaysSaysWhereAndHow(t *testing.T) {
	r := newRig(t)
	d := r.start(120, 40)
	d.See("demo", "3f2a9c1d", "ns shop", "READ-ONLY", "deploy ✓", "pods 4120…", "forbidden: list events in shop", "jane", "v1.37.2", "v0.1.0")
	d.Resize(200, 50).See("demo", "3f2a9c1d", "ns shop", "READ-ONLY", "deploy ✓", "pods 4120…", "events forbidden", "jane", "v1.37.2")
	d.Resize(40, 12).See("demo", "ns shop", "READ-ONLY")
	if title := d.View().WindowTitle; title != "midwatch demo/shop" {
		t.Errorf("the window is called %q", title)
	}
}

func TestKeysMoveBetweenPanes(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	d.Press("2").See("[2] rollout checkout").Press("tab").See("[3] pods checkout").Press("shift+tab", "shift+tab").See("[1] board ")
	d.Press("shift+tab").See("[4] events ")
	d.Press("esc").See("cart")
	d.Resize(200, 50).Press("z").NotSee("rollout").Press("z").See("rollout checkout")
}

func TestMovingSelectsForTheOtherPanes(t *testing.T) {
	r := newRig(t)
	d := r.start(200, 50).Press("j", "j")
	d.See("rollout frontend", "pods frontend")
	if got := strings.Join(r.selected, " "); got != "shop/Deployment/checkout shop/Deployment/cart shop/Deployment/frontend" {
		t.Errorf("told the session %q", got)
	}
	// Opening what is on the screen only gives it the keys; esc comes back.
	d.Press("enter", "j").Press("esc", "j").See("rollout payments")
}

func TestOpenedPanesLieOnAStack(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24).Press("l").See("logs-1 checkout", "esc back")
	logs := r.panes[len(r.panes)-1]
	d.Press("esc").See("[1] board")
	if !logs.closed {
		t.Error("the pane was not closed")
	}
	d.Press("l", "l").Press("esc").See("[1] board")
	for range 30 {
		d.Press("l")
	}
	if n := len(r.panes); n < 5 {
		t.Errorf("%d panes", n)
	}
	d.Press("1").See("[1] board")
	for _, p := range r.panes[4:] {
		if !p.closed {
			t.Errorf("%s is hidden and not closed", p.id)
		}
	}
}

func TestAPaneOnTopStaysReachableWhenTheTerminalShrinks(t *testing.T) {
	r := newRig(t)
	d := r.start(200, 50).Press("l", "1").See("[1] board", "logs-1 checkout")
	d.Press("j").See("logs-1 checkout")
	d.Resize(80, 24).Idle().See("logs-1 checkout").NotSee("[1] board")
	d.Press("esc").See("[1] board")
}

func TestAddressedResultsArriveOnce(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24).Press("S").See("Scale Deployment")
	d.Press("esc")
	p := r.panes[0]
	cmd := pane.Run(p.env.Tasks, p.id, "x", "try", time.Minute, func(ctxT) (tea.Msg, error) { return "old", nil })
	newer := pane.Run(p.env.Tasks, p.id, "x", "try", time.Minute, func(ctxT) (tea.Msg, error) { return "new", nil })
	d.Send(cmd()).Send(newer()).Idle()
	if len(p.got) != 1 || p.got[0] != "new" {
		t.Errorf("got %v", p.got)
	}
	fails := pane.Run(p.env.Tasks, p.id, "y", "fetch it", time.Minute, func(ctxT) (tea.Msg, error) { panic("bug") })
	d.Send(fails()).Idle()
	if f, ok := p.got[1].(pane.FailedMsg); !ok || f.What != "fetch it" {
		t.Errorf("got %v", p.got)
	}
}

func TestFilterNarrowsWhileTyping(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24).Press("/").Type("cart").See("cart").NotSee("frontend")
	d.Press("enter").See("/cart ").NotSee("payments")
	d.Press("esc").See("payments").NotSee("/cart ")
	d.Press("/").Type("che").Press("esc").See("payments")
	d.Press("/").Type("re:(").See("missing closing )").Press("enter").See("missing closing )", "payments")
	d.Press("/").Paste("front").See("frontend").NotSee("cart")
}

func TestDisabledKeysSayWhy(t *testing.T) {
	r := newRig(t)
	newDriver := r.start(120, 40)
	newDriver.See("P pause (it is paused)").Press("P").See("pause: it is paused")
	newDriver.Press("u").See("this session has changed nothing here that can be undone")
}

func TestToastsGoAway(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24).Press("P").See("pause: it is paused")
	d.Advance(14 * time.Second).See("pause: it is paused")
	d.Advance(2 * time.Second).NotSee("pause: it is paused")
	if d.Alarms() != 0 {
		t.Errorf("%d alarms are left while nothing happens", d.Alarms())
	}
	for range 40 {
		d.Press("P").Press("u")
	}
	uitest.Boxed(t, d.Frame(), 80, 24)
	if n := strings.Count(d.Plain(), "it is paused"); n > 2 { // footer and one toast
		t.Errorf("said %d times", n)
	}
}

func TestWrongKeysAreHarmless(t *testing.T) {
	r := newRig(t)
	d := r.start(120, 40)
	before := d.Frame()
	for _, k := range []string{"x", "Q", "ctrl+x", "=", "%", "~", "home", "é", "9", "8"} {
		d.Press(k)
		if d.Frame() != before {
			t.Fatalf("%q changed the screen\n%s", k, d.Plain())
		}
	}
	if len(r.opened)+r.applied+r.retries > 0 || d.HasQuit() {
		t.Error("something was done")
	}
	if got := strings.Join(r.panes[0].keys, " "); !strings.HasPrefix(got, "x Q ctrl+x = ") {
		t.Errorf("the pane got %q", got)
	}
}

func TestACapturingPaneGetsEveryKey(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	r.panes[0].capturing = true
	d.Press("q", ":", "?", "l")
	if got := strings.Join(r.panes[0].keys, ""); got != "q:?l" || d.HasQuit() {
		t.Errorf("the pane got %q, quit %v", got, d.HasQuit())
	}
	if d.Press("ctrl+c"); !d.HasQuit() {
		t.Error("ctrl+c has to work always")
	}
}

func TestResizeStorm(t *testing.T) {
	d := newRig(t).start(80, 24).Press("?")
	for i := range 500 {
		d.Resize(1+i*37%220, 1+i*13%60)
	}
	uitest.Boxed(t, d.Resize(80, 24).Frame(), 80, 24)
	d.Press("esc").See("checkout")
}

func TestStaleConnectionsAreSaidAndDimmed(t *testing.T) {
	r := newRig(t)
	d := r.start(120, 40)
	fresh := d.Frame()
	r.peer.health = live.Source{State: live.Unreachable, Heard: r.clock.Now(), Since: r.clock.Now(), Err: "connection refused"}
	r.opts.First.Hub.Notable(watchSources)
	d.Idle().Advance(12 * time.Second).See("unreachable 12s: connection refused")
	d.Advance(40 * time.Second).See("stale 52s: connection refused")
	if strings.Contains(d.Frame(), "\x1b[38;2;107;118;131mcart") != true {
		t.Error("rows are not dimmed")
	}
	d.Advance(10 * time.Minute)
	r.peer.health = live.Source{State: live.Ready, Heard: r.clock.Now()}
	r.opts.First.Hub.Notable(watchSources)
	if d.Idle(); d.Frame() != fresh {
		t.Errorf("it does not heal\n%s", d.Plain())
	}
	if d.Alarms() != 1 { // the one that was armed while it was broken
		d.Advance(time.Minute)
		if d.Alarms() != 0 {
			t.Errorf("%d alarms are left", d.Alarms())
		}
	}
}

func TestTicksOnlyAsOftenAsThePanesNeed(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	board := r.panes[0]
	board.until = time.Minute
	d.Press("j")
	n := board.views
	d.Advance(59 * time.Second)
	if board.views != n {
		t.Errorf("drawn %d times too often", board.views-n)
	}
	d.Advance(2 * time.Second)
	if board.views != n+1 {
		t.Errorf("drawn %d times after its minute", board.views-n)
	}
	d.Send(tea.BlurMsg{}).Idle()
	if d.Interval() != time.Second {
		t.Errorf("gathers for %v while nobody looks", d.Interval())
	}
	n = board.views
	d.Advance(time.Hour)
	if board.views > n+1 {
		t.Errorf("drawn %d times while nobody looks", board.views-n)
	}
	d.Send(tea.FocusMsg{}).Idle()
	if d.Interval() != 100*time.Millisecond || board.views == n {
		t.Errorf("not awake again: %v, %d views", d.Interval(), board.views-n)
	}
}

func TestAnIdleConsoleDrawsNothing(t *testing.T) {
	r := newRig(t)
	d := r.start(200, 50)
	n := r.panes[0].views
	d.Advance(time.Hour)
	if r.panes[0].views != n || d.Alarms() != 0 {
		t.Errorf("%d views and %d alarms in an idle hour", r.panes[0].views-n, d.Alarms())
	}
}

func TestHelpAndPaletteListEveryBinding(t *testing.T) {
	r := newRig(t)
	d := r.start(120, 60).Press("?").See("Move down.", "Scale it.", "writes", "Pause it.", "now: it is paused")
	text := d.Plain()
	for range 20 {
		text += d.Press("pgdown").Plain()
	}
	for _, want := range []string{"Give the keys to the next pane", "Open another context", "Ask again for what was forbidden", "Everything by name", "Go to the background", "unlock 10m", "End midwatch"} {
		if !strings.Contains(text, want) {
			t.Errorf("help does not say %q", want)
		}
	}
	d.Press("esc").Press(":").Type("scale").See("S  Scale it.").Press("enter").See("Scale Deployment shop/checkout")
	d.Press("esc").Press(":").Type("pause").Press("enter").See("pause: it is paused")
}

func TestPaletteCommands(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	command := func(text string) *uitest.Driver { return d.Press(":").Type(text).Press("enter") }
	command("ns payments").See("ns payments")
	command("ns all").See("ns all")
	command("ctx demo-eu").See("demo-eu")
	command("ctx nowhere").See("no context nowhere")
	command("pods").See("pods")
	command("deploy").See("/deploy")
	d.Press("esc")
	command("unlock soon").See("give a time such as 10m")
	command("unlock 99h").See("give a time above 0")
	command("nonsense").See("there is no command nonsense")
	command("ns Not_Valid").See("is no namespace name")
	if d.Press(":", "backspace"); strings.Contains(d.Plain(), "Command") {
		t.Error("backspace on nothing does not close")
	}
	if command("q"); !d.HasQuit() {
		t.Error(":q does not quit")
	}
}

func TestContextSwitchKeepsTheOldScreenUntilTheNewOneIsThere(t *testing.T) {
	r := newRig(t)
	r.hold = make(chan struct{})
	d := r.start(80, 24).Press("c").See("demo-eu", "https://eu:6443")
	d.Press("down").Tap("enter").Rest(1).See("opening demo-eu, namespace default", "checkout", "esc gives up")
	close(r.hold)
	d.Idle().See("demo-eu", "ns default").NotSee("opening")
	if r.closedCount() != 1 {
		t.Errorf("%d sessions closed, want the old one", r.closedCount())
	}
	if !r.panes[0].closed {
		t.Error("the old panes live on")
	}
}

func TestContextSwitchThatFailsKeepsTheOldScreen(t *testing.T) {
	r := newRig(t)
	r.openErr = errors.New("connection refused")
	d := r.start(120, 30).Press("0").See("connection refused", "ns shop", "checkout")
	if r.closedCount() != 0 || len(r.opened) != 1 || len(r.opened[0].Namespaces) != 0 {
		t.Errorf("closed %d, opened %v", r.closedCount(), r.opened)
	}
	d.Press("j").See("rollout cart")
}

func TestContextSwitchCanBeGivenUp(t *testing.T) {
	r := newRig(t)
	r.hold = make(chan struct{})
	d := r.start(80, 24).Tap("0").Rest(1).See("opening demo, all namespaces")
	d.Tap("esc").Idle().NotSee("esc gives up").See("ns shop", "was given up")
}

func TestALateSessionIsClosed(t *testing.T) {
	r := newRig(t)
	s := r.session(app.Where{Context: "late"})
	m := app.New(t.Context(), r.opts)
	cmd := pane.Run(m.Tasks(), "app", "open", "open", time.Minute, func(ctxT) (tea.Msg, error) { return app.Opened(s), nil })
	msg := cmd()
	m.Tasks().Cancel("app", "open")
	_, after := m.Update(msg)
	if after == nil {
		t.Fatal("nothing is done about the session nobody waits for")
	}
	run(after)
	if r.closedCount() != 1 {
		t.Errorf("closed %d", r.closedCount())
	}
}

func TestNamespacePickerTakesATypedName(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24).Press("n").See("all namespaces", "kube-system", "* shop")
	d.Type("hidden-one").See("enter looks at namespace hidden-one").Press("enter").See("ns hidden-one")
	d.Press("n").Type("pay").Press("enter").See("ns payments")
	d.Press("n").Press("esc").See("ns payments")
	if len(r.opened) != 2 {
		t.Errorf("opened %v", r.opened)
	}
}

func TestRetryAsksAgain(t *testing.T) {
	r := newRig(t)
	r.start(80, 24).Press("ctrl+r").See("asking again")
	if r.retries != 1 || len(r.panes[0].got) != 1 {
		t.Errorf("%d retries, the pane got %v", r.retries, r.panes[0].got)
	}
}

func TestCopyAndToastMessages(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	d.Send(pane.CopyMsg{What: "YAML of shop/checkout", Text: "a: b"}).Idle().See("copied YAML of shop/checkout")
	d.Send(pane.ToastMsg{Severity: live.Fail, Text: "fetch it: refused"}).Idle().See("✗ fetch it: refused")
}

func TestPromptAndPick(t *testing.T) {
	r := newRig(t)
	d := r.start(80, 24)
	var got []any
	d.Send(pane.PromptMsg{Title: "How many pods?", Initial: "3", Check: func(s string) string {
		if s == "35" {
			return "at most 30"
		}
		return ""
	}, Done: func(s string) tea.Cmd { got = append(got, s); return nil }}).Idle()
	d.See("How many pods?").Type("5").Press("enter").See("at most 30").Press("backspace", "backspace", "7", "enter").NotSee("How many")
	d.Send(pane.PickMsg{Title: "Which revision?", Items: []pane.PickItem{{Title: "12", Note: "now", Disabled: "it is in place"}, {Title: "11"}}, Done: func(i int) tea.Cmd { got = append(got, i); return nil }}).Idle()
	d.See("it is in place").Press("up", "enter").See("12: it is in place").Press("down", "enter").NotSee("Which revision?")
	if len(got) != 2 || got[0] != "7" || got[1] != 1 {
		t.Errorf("got %v", got)
	}
}

func TestAPanesBugEndsTheConsoleCleanly(t *testing.T) {
	r := newRig(t)
	r.opts.Clock = r.clock
	m := app.New(t.Context(), r.opts)
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	r.panes[0].panics = true
	k, _ := uitest.Key("x")
	model, cmd := m.Update(k)
	if model != tea.Model(m) || cmd == nil || m.Crash() == nil || !strings.Contains(m.Crash().Error(), "a pane's bug") || len(m.Crash().Stack) == 0 {
		t.Fatalf("crash %v", m.Crash())
	}
	if _, ok := cmd().(tea.QuitMsg); !ok {
		t.Error("it does not quit")
	}
}

func TestAConsoleWithoutAClusterSaysSo(t *testing.T) {
	r := newRig(t)
	r.opts.First, r.opts.Start, r.openErr = nil, app.Where{Context: "demo"}, errors.New("connection refused")
	d := r.start(80, 24).See("no cluster is open", "connection refused")
	for _, k := range []string{"z", "tab", "enter", "1", "/", "n", "ctrl+r", "u", "A", "esc", "j", "?", "esc", ":", "esc"} {
		uitest.Boxed(t, d.Press(k).Frame(), 80, 24)
	}
	r.openErr = nil
	d.Press("c", "enter").See("checkout")
}
