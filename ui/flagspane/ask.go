package flagspane

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"midwatch/flags"
	"midwatch/live"
	"midwatch/ui/pane"
)

// askWho asks whom every flag is to be evaluated for.
func (p *Pane) askWho() tea.Cmd {
	return pane.Send(pane.PromptMsg{
		Title:   "Ask for whom? A user key, key plan=pro …, or JSON; empty for nobody",
		Initial: p.asked,
		Check: func(text string) string {
			if strings.TrimSpace(text) == "" {
				return ""
			}
			if _, err := flags.ParseContext(text); err != nil {
				return err.Error()
			}
			return ""
		},
		Done: p.pin,
	})
}

// pin has every flag evaluated for whom the text names.
func (p *Pane) pin(text string) tea.Cmd {
	text = strings.TrimSpace(text)
	if text == "" {
		p.asked = ""
		p.source.Pin(nil)
		return nil
	}
	who, err := flags.ParseContext(text)
	if err != nil { // the dialog checked it
		return pane.Toast(live.Warn, err.Error())
	}
	p.asked = text
	p.source.Pin(&who)
	return nil
}
