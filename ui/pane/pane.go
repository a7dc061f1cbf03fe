// Package pane says what a pane is, and is the only maker of asynchronous
// commands: everything slow goes through [Run], which adds the address it
// returns to, a generation, a timeout, and a recover.
package pane

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/ui/bind"
	"midwatch/ui/theme"
)

// ID is a pane's stable address; config, docs and messages name it.
type ID string

// Rect is a size in terminal cells.
type Rect struct{ W, H int }

// Env is what the root gives every pane with every call. Panes keep no copy.
// A pane gets the same pointer for its whole life, its fields set anew before
// every call, so that the handler of a binding may use the one it saw last.
type Env struct {
	// Now is the time this frame is drawn for.
	Now time.Time
	// Styles is the theme in force.
	Styles *theme.Styles
	// Focused is true while the pane has the keys.
	Focused bool
	// Tasks starts and counts asynchronous work.
	Tasks *Tasks
}

// Pane is one tile of the console. Its methods are called on the UI goroutine
// only; none of them does IO.
type Pane interface {
	ID() ID
	// Title is what stands in the border: "rollout shop/api". Cleaned.
	Title() string
	// Topics are the snapshots it wants now.
	Topics() []live.Topic
	// Update takes a key, an addressed message or a [live.Batch]; the batch
	// holds only its own topics.
	Update(env *Env, msg tea.Msg) tea.Cmd
	// View draws exactly r.H lines of exactly r.W cells.
	View(env *Env, r Rect) string
	// Bindings are its keys where it stands now. The root looks a key up here
	// first and calls Do, or shows the reason of a disabled one; Update gets
	// only the keys that no binding has, and all of them while Capturing.
	Bindings() []bind.Binding
}

// Ticker is a pane whose View depends on the time (ages, countdowns). Until
// returns for how long the drawn frame stays true; 0 means it needs no tick.
type Ticker interface {
	Until(now time.Time) time.Duration
}

// Targeted is a pane that shows the selected workload.
type Targeted interface {
	SetTarget(env *Env, ref k8s.Ref) tea.Cmd
}

// Starter is a pane that reads something once it is on the screen.
type Starter interface {
	Start(env *Env) tea.Cmd
}

// Viewer is a pane that reads something only while it is looked at: Viewed
// tells it that it came on the screen or left it. A pane that shows the
// selection has been given it by then.
type Viewer interface {
	Viewed(env *Env, on bool) tea.Cmd
}

// Filterer is a pane with a filter: text, re:EXPR, or !text.
type Filterer interface {
	Filter() string
	// SetFilter narrows the list; the error says what is wrong with it.
	SetFilter(expr string) error
}

// Capturer is a pane that wants every key for itself just now.
type Capturer interface{ Capturing() bool }

// Concealer is a pane that may show a secret's value. The root conceals it when
// nobody looks, when the terminal changes its size, and before the program goes
// to the background.
type Concealer interface {
	// Conceal masks and forgets the value; it reports whether there was one.
	Conceal() bool
}

// Closer is a pane that owns something that must end when it goes away.
type Closer interface{ Close() }

// SelectMsg says that the user moved to another workload; the root hands it
// to every [Targeted] pane.
type SelectMsg struct{ Ref k8s.Ref }

// Selecter is a pane whose selection the others follow. Commands come back in
// any order, so a SelectMsg only says that there is news: the root asks the
// pane itself what is selected by then.
type Selecter interface {
	// Selected is the workload under the cursor; zero when there is none.
	Selected() k8s.Ref
}

// OpenMsg asks the root to open a pane on an object, on top of the present
// one; esc comes back.
type OpenMsg struct {
	Pane ID
	Ref  k8s.Ref
	// Arg is the pane's own: a container's name, "previous".
	Arg string
}

// CloseMsg asks the root to go back from the pane on top.
type CloseMsg struct{}

// ConfirmMsg asks the root to show a plan and, once confirmed, to run it
// through the gate.
type ConfirmMsg struct {
	Plan *action.Plan
	// Then, if not nil, is asked on the UI goroutine once the gate has carried
	// the plan out, for what the pane does next.
	Then func() tea.Cmd
}

// PromptMsg asks for a line of text.
type PromptMsg struct {
	Title   string
	Initial string
	// Secret draws dots instead of what is typed.
	Secret bool
	// Check returns what is wrong with the text, or "".
	Check func(text string) string
	Done  func(text string) tea.Cmd
}

// PickMsg asks for one of several rows.
type PickMsg struct {
	Title string
	Items []PickItem
	Done  func(index int) tea.Cmd
}

// PickItem is one row of a [PickMsg].
type PickItem struct {
	Title string
	Note  string
	// Disabled says why it cannot be chosen; "" when it can.
	Disabled string
}

// ToastMsg is a short word at the bottom right.
type ToastMsg struct {
	Severity live.Severity
	Text     string
}

// WroteMsg tells every pane that a write was carried out and its effect waited
// for, so that what shows the target can read it again.
type WroteMsg struct{ Target action.Target }

// CopyMsg puts text into the terminal's clipboard (OSC 52). Never a secret.
type CopyMsg struct{ What, Text string }

// CopySecretMsg puts a revealed value into the terminal's clipboard, where the
// settings allow that: it is recorded in the journal first, without the value,
// and the clipboard is cleared again after a while. The root takes Value over
// and zeroes it.
type CopySecretMsg struct {
	What       string
	Target     action.Target
	Value      secret.Bytes
	ClearAfter time.Duration
}

// Toast is a command that shows a toast.
func Toast(sev live.Severity, text string) tea.Cmd {
	return func() tea.Msg { return ToastMsg{Severity: sev, Text: text} }
}

// Send is a command that delivers msg.
func Send(msg tea.Msg) tea.Cmd { return func() tea.Msg { return msg } }
