package app

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/k8s/connect"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// health is the connection's, or Ready when there is none to ask.
func (m *Model) health() live.Source {
	if p := m.session.peer(); p != nil {
		return p.Health()
	}
	return live.Source{State: live.Ready}
}

// silence is for how long nothing was heard over a broken connection; 0 while
// it works.
func (m *Model) silence() time.Duration {
	h := m.health()
	if h.State != live.Unreachable && h.State != live.Stale {
		return 0
	}
	since := h.Heard
	if since.IsZero() {
		since = h.Since
	}
	return max(m.now.Sub(since), time.Millisecond)
}

// staleFor is silence once it is long enough that what is shown may no longer
// be true ([live.StaleAfter]).
func (m *Model) staleFor() time.Duration {
	if d := m.silence(); d >= live.StaleAfter {
		return d
	}
	return 0
}

// headerChange is when the header says something else by itself.
func (m *Model) headerChange() time.Time {
	var next time.Time
	sooner := func(d time.Duration) {
		if at := m.now.Add(d); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if left, _ := m.unlockedFor(); left > 0 {
		sooner(spanStep(left))
	}
	if d := m.silence(); d > 0 {
		step := time.Second
		if d > time.Minute {
			step = 10 * time.Second
		}
		if left := live.StaleAfter - d; left > 0 {
			step = min(step, left)
		}
		sooner(step)
	}
	if m.opening != nil {
		sooner(time.Second)
	}
	switch at, left, soon := m.tokenEnds(); {
	case soon && left > 0:
		sooner(spanStep(left))
	case left > 0 && !at.IsZero():
		sooner(left - m.session.Vault.Warn())
	}
	return next
}

// headerLines draws the first one or two lines.
func (m *Model) headerLines() []string {
	w := m.size.W
	left, right, token := m.place1(), m.who(), m.vaultToken()
	state := func(detail int) widget.Rich { return join(m.sources(detail), token) }
	if !m.twoHeaderLines() {
		return []string{m.headerLine(fitFirst(w, join(left, state(2), right), join(left, state(1), right), join(left, state(0), right),
			join(left, state(1)), join(left, state(0)), join(m.placeShort(false), state(0)), join(m.placeShort(true), state(0)), m.placeShort(true)))}
	}
	return []string{
		m.headerLine(fitFirst(w, join(left, right), left, m.placeShort(false), m.placeShort(true))),
		m.headerLine(fitFirst(w, state(3), state(2), state(1), state(0))),
	}
}

// vaultToken warns before the user's own token ends: midwatch does not renew
// it, and what it read is not read again without one.
func (m *Model) vaultToken() widget.Rich {
	at, left, soon := m.tokenEnds()
	switch {
	case !soon:
		return nil
	case left <= 0:
		return widget.Say(theme.Danger, " Vault token ended at "+at.In(m.now.Location()).Format("15:04")+": vault login ")
	}
	return widget.Rich{{Token: theme.Warn, Text: "Vault token ends in " + span(left)}}
}

// tokenEnds is when the token ends that Vault is read with, and whether that
// is soon.
func (m *Model) tokenEnds() (at time.Time, left time.Duration, soon bool) {
	if m.session == nil {
		return at, 0, false
	}
	at, ends := m.session.Vault.TokenEnds()
	if !ends {
		return at, 0, false
	}
	left = at.Sub(m.now)
	return at, left, left <= m.session.Vault.Warn()
}

// twoHeaderLines reports whether the sources get a line of their own.
func (m *Model) twoHeaderLines() bool { return m.size.W < wideScreen && m.size.H >= twoLineHeader }

// headerLine fills the line with the header's background.
func (m *Model) headerLine(r widget.Rich) string {
	for i := range r {
		if r[i].Token == theme.Text {
			r[i].Token = theme.Header
		}
	}
	if w := r.Width(); w < m.size.W {
		r = append(r, widget.Piece{Token: theme.Header, Text: strings.Repeat(" ", m.size.W-w)})
	}
	return r.Draw(m.styles, m.size.W)
}

// fitFirst is the first line that fits, or else the last.
func fitFirst(w int, lines ...widget.Rich) widget.Rich {
	for _, l := range lines {
		if l.Width() <= w {
			return l
		}
	}
	return lines[len(lines)-1]
}

// join puts parts beside each other with two cells between.
func join(parts ...widget.Rich) widget.Rich {
	var r widget.Rich
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if len(r) > 0 {
			r = append(r, widget.Piece{Token: theme.Header, Text: "  "})
		}
		r = append(r, p...)
	}
	return r
}

// place1 is where we are: context, cluster, namespace, and whether it can be
// written to.
func (m *Model) place1() widget.Rich {
	id := m.identity()
	r := widget.Rich{{Token: theme.Header, Text: " "}, {Token: theme.Chip, Text: " " + m.contextName() + " "}}
	if m.session != nil {
		r = append(r, widget.Piece{Token: theme.Header, Text: " " + cmp.Or(shortID(id.UID), m.server(), "cluster ?")})
	}
	r = append(r, widget.Piece{Token: theme.Header, Text: "  ns " + m.scopeText()}, widget.Piece{Token: theme.Header, Text: "  "})
	return append(r, m.lockPiece())
}

// placeShort is the same where there is little room, or none.
func (m *Model) placeShort(none bool) widget.Rich {
	lock := m.lockPiece()
	if none {
		lock.Text = strings.ReplaceAll(strings.ReplaceAll(lock.Text, "READ-ONLY", "RO"), "UNLOCKED", "RW")
	}
	context := widget.Say(theme.Chip, " "+m.contextName()+" ")
	return join(widget.Rich{lock}, context, widget.Say(theme.Header, "ns "+m.scopeText()))
}

// server is the API server's host, for a cluster whose UID may not be read.
func (m *Model) server() string {
	if m.session.Cluster == nil {
		return ""
	}
	_, host, _ := strings.Cut(m.session.Cluster.Server, "://")
	return foreign.CleanN(host, 60).String()
}

func (m *Model) contextName() string {
	return cmp.Or(foreign.CleanN(m.here().Context, 80).String(), "no context")
}

func (m *Model) scopeText() string {
	names := m.here().Namespaces
	switch len(names) {
	case 0:
		return "all"
	case 1:
		return names[0]
	}
	return names[0] + " +" + strconv.Itoa(len(names)-1)
}

func (m *Model) lockPiece() widget.Piece {
	left, forever := m.unlockedFor()
	switch {
	case forever:
		return widget.Piece{Token: theme.Danger, Text: " UNLOCKED "}
	case left > 0:
		return widget.Piece{Token: theme.Danger, Text: " UNLOCKED " + span(left) + " "}
	}
	return widget.Piece{Token: theme.Header, Text: "READ-ONLY"}
}

func (m *Model) identity() connect.Identity {
	if p := m.session.peer(); p != nil {
		return p.Identity()
	}
	return connect.Identity{}
}

// who is the user, the server's version and ours.
func (m *Model) who() widget.Rich {
	id := m.identity()
	var parts []string
	for _, s := range []string{id.User, id.Version, m.opts.Version} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return widget.Say(theme.Header, strings.Join(parts, "  "))
}

// sources is the health of everything that is read, from all by name (3) down
// to the worst alone (0). A broken connection is said instead.
func (m *Model) sources(detail int) widget.Rich {
	if d := m.silence(); d > 0 {
		word := "unreachable "
		if d >= live.StaleAfter {
			word = "stale "
		}
		return widget.Say(theme.Danger, fmt.Sprintf(" %s%s: %s ", word, outage(d), m.health().Err))
	}
	all, _ := m.snaps[live.Topic{Name: watch.TopicSources}].Value.([]live.Source)
	if len(all) == 0 {
		return widget.Say(theme.Header, " loading")
	}
	ok := 0
	var trouble, named widget.Rich
	for _, s := range all {
		p := m.sourcePiece(s, detail)
		switch s.State {
		case live.Absent:
			continue
		case live.Ready:
			ok++
		default:
			trouble = append(trouble, widget.Piece{Token: theme.Header, Text: " "}, p)
		}
		named = append(named, widget.Piece{Token: theme.Header, Text: " "}, p)
	}
	switch {
	case detail >= 2:
		return named
	case ok == 0:
		return trouble
	}
	sum := widget.Piece{Token: theme.Header, Text: fmt.Sprintf(" %s %d sources", m.styles.Sign(live.OK), ok)}
	if detail == 0 {
		if len(trouble) == 0 {
			return widget.Say(theme.Header, " "+m.styles.Sign(live.OK))
		}
		return widget.Rich{{Token: theme.Warn, Text: fmt.Sprintf(" %d not ok", len(trouble)/2)}}
	}
	return append(widget.Rich{sum}, trouble...)
}

// sourcePiece is "deploy ✓", "pods 4120…", "events forbidden".
func (m *Model) sourcePiece(s live.Source, detail int) widget.Piece {
	name := shortSource(s.Name)
	dots := "…"
	if m.theme.ASCII {
		dots = ".."
	}
	switch s.State {
	case live.Ready:
		return widget.Piece{Token: theme.Header, Text: name + " " + m.styles.Sign(live.OK)}
	case live.Loading:
		if s.Items == 0 {
			return widget.Piece{Token: theme.Header, Text: name + " " + dots}
		}
		return widget.Piece{Token: theme.Header, Text: fmt.Sprintf("%s %d%s", name, s.Items, dots)}
	case live.Stale, live.Unreachable:
		since := s.Heard
		if since.IsZero() {
			since = s.Since
		}
		text := name + " " + s.State.String()
		if !since.IsZero() {
			text += " " + outage(m.now.Sub(since))
		}
		return widget.Piece{Token: theme.Warn, Text: text}
	}
	text := name + " " + s.State.String()
	if detail >= 3 && s.Err != "" && len(s.Err) < 40 {
		text = s.Err.String()
	}
	return widget.Piece{Token: theme.Warn, Text: text}
}

// outage is for how long something has been away: "52s", "3m", "2h10m".
func outage(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return span(d.Truncate(time.Minute))
}

// shortSource is kubectl's short name of a resource.
func shortSource(name string) string {
	short := [...][2]string{
		{"deployments", "deploy"}, {"statefulsets", "sts"}, {"daemonsets", "ds"}, {"replicasets", "rs"},
		{"controllerrevisions", "rev"}, {"horizontalpodautoscalers", "hpa"}, {"namespaces", "ns"},
		{"vaultdynamicsecrets", "vds"}, {"vaultpkisecrets", "pki"},
	}
	i := slices.IndexFunc(short[:], func(p [2]string) bool { return p[0] == name })
	if i < 0 {
		return name
	}
	return short[i][1]
}
