package verbs

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
)

// Profile is the key that takes a profile of what is selected: a pod, or one
// of a workload's pods. what names it for the help; ref returns nothing and
// the reason when there is nothing to profile.
func Profile(id pane.ID, what string, footer int, ref func() (ref k8s.Ref, why string)) bind.Binding {
	return bind.Binding{
		ID: string(id) + ".profile", Keys: []string{"p"}, Title: "profile", Group: "Open", Footer: footer,
		Help:     "See where " + what + " spends its CPU or memory; asks which kind of profile first.",
		Disabled: func() string { _, why := ref(); return why },
		Do: func() tea.Cmd {
			target, _ := ref()
			return pane.Send(pane.OpenMsg{Pane: pane.Profile, Ref: target})
		},
	}
}
