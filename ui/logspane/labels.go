package logspane

import (
	"strings"

	"midwatch/k8s/podlog"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// widestLabel is the most cells a label takes from a line.
const widestLabel = 22

// labels name whoever wrote a line, as short as they can: "x2x9v",
// "x2x9v/proxy", or nothing where there is only one.
type labels struct {
	workload   string
	single     bool // one pod
	containers bool // several containers of a pod
	width      int  // of the widest so far
	colours    map[string]theme.Token
}

// tokens are the colours that tell pods apart. None of them means trouble.
func tokens() []theme.Token {
	return []theme.Token{theme.Accent, theme.OK, theme.Info, theme.Unknown, theme.Title, theme.Muted}
}

// learn makes room for the writers of new lines and gives them colours, in
// turn.
func (l *labels) learn(lines []podlog.Line) {
	if l.colours == nil {
		l.colours = map[string]theme.Token{}
	}
	for i := range lines {
		writer := l.writer(&lines[i])
		if _, known := l.colours[writer]; known {
			continue
		}
		list := tokens()
		l.colours[writer] = list[len(l.colours)%len(list)]
		l.width = max(l.width, min(widget.Width(l.text(&lines[i])), widestLabel))
	}
}

// writer is whoever has a colour of his own: a pod, or in one pod a container.
func (l *labels) writer(line *podlog.Line) string {
	if l.single {
		return line.Container
	}
	return line.Pod
}

// text is a line's label: the part of the pod's name that the workload and its
// revision leave over, and the container where there are several.
func (l *labels) text(line *podlog.Line) string {
	if l.single {
		if l.containers {
			return line.Container
		}
		return ""
	}
	pod := line.Pod
	if rest, ok := strings.CutPrefix(pod, l.workload+"-"); ok {
		pod = rest[strings.LastIndexByte(rest, '-')+1:]
	}
	if l.containers && line.Container != "" {
		return pod + "/" + line.Container
	}
	return pod
}

// piece is the label of a line with its colour, as wide as every other.
func (l *labels) piece(line *podlog.Line, more string) (widget.Piece, bool) {
	if l.width == 0 {
		return widget.Piece{}, false
	}
	token := l.colours[l.writer(line)]
	return widget.Piece{Token: token, Text: widget.Pad(l.text(line), l.width, more) + " "}, true
}
