package widget

import (
	"fmt"
	"strings"

	"midwatch/ui/theme"
)

// Join makes one line of several facts with a separator between them.
type Join struct {
	line      Rich
	separator string
}

// NewJoin makes an empty line for a theme.
func NewJoin(st *theme.Styles) *Join {
	if st.Options.ASCII {
		return &Join{separator: ", "}
	}
	return &Join{separator: " · "}
}

// Add appends a fact; an empty one adds nothing.
func (j *Join) Add(token theme.Token, text string) { j.AddRich(Say(token, text)) }

// AddRich appends a fact of several pieces.
func (j *Join) AddRich(r Rich) {
	if r.Width() == 0 {
		return
	}
	if len(j.line) > 0 {
		j.line = append(j.line, Piece{theme.Faint, j.separator})
	}
	j.line = append(j.line, r...)
}

// Rich is the line.
func (j *Join) Rich() Rich { return j.line }

// List is "a, b, c and 4 more": names, the first limit of them.
func List(names []string, limit int) string {
	if len(names) <= limit {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
}
