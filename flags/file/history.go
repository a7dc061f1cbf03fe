package file

import (
	"maps"
	"slices"
	"strings"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/foreign"
)

// keptChanges bounds the history of one environment.
const keptChanges = 500

// change is who changed a flag last, and when, as far as it is known.
type change struct {
	at time.Time
	by foreign.Text
}

// author is who is about to write a text, so that what the watch then finds
// can be put down to them.
type author struct {
	by, comment foreign.Text
}

// compare lists what differs between two readings, one entry per flag.
func compare(environment string, before, after *data, who author) []flags.Change {
	if before == nil || before.hash == after.hash {
		return nil
	}
	all := map[string]bool{}
	for k := range before.flags {
		all[k] = true
	}
	for k := range after.flags {
		all[k] = true
	}
	var out []flags.Change
	for _, key := range slices.Sorted(maps.Keys(all)) {
		a, b := before.flags[key], after.flags[key]
		c := flags.Change{
			ID: after.hash[:12] + "/" + foreign.Clean(key).String(), At: after.modified, Environment: environment,
			Key: foreign.Clean(key).String(), By: who.by, Comment: who.comment,
		}
		switch {
		case a == nil:
			c.Action, c.Summary = "added", "added, "+onOff(b.on())
		case b == nil:
			c.Action, c.Summary = "removed", "removed from the file"
		case a.version == b.version:
			continue
		default:
			c.Action = "updated"
			c.Diff = difference("", a.doc, b.doc)
			c.Summary = summary(a, b, c.Diff)
		}
		out = append(out, c)
	}
	return out
}

func onOff(on bool) foreign.Text {
	if on {
		return "on"
	}
	return "off"
}

func summary(a, b *entry, diff []action.Field) foreign.Text {
	switch {
	case a.on() != b.on():
		return "turned " + onOff(b.on())
	case a.serves() != b.serves():
		return "serves " + b.serves() + ", it was " + a.serves()
	case len(diff) == 1:
		return foreign.CleanN(diff[0].Path, 80) + " changed"
	}
	return "targeting changed"
}

// difference lists the members in which two JSON values differ. The version
// goes up with everything and says nothing.
func difference(path string, a, b any) []action.Field {
	x, okX := a.(map[string]any)
	y, okY := b.(map[string]any)
	if !okX || !okY {
		before, after := flags.JSONValue(a), flags.JSONValue(b)
		if a == nil {
			before = "(none)"
		}
		if b == nil {
			after = "(none)"
		}
		if before == after {
			return nil
		}
		return []action.Field{{Path: strings.TrimPrefix(path, "."), Before: before, After: after}}
	}
	all := map[string]bool{}
	for k := range x {
		all[k] = true
	}
	for k := range y {
		all[k] = true
	}
	var out []action.Field
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if path == "" && k == "version" {
			continue
		}
		out = append(out, difference(path+"."+foreign.CleanN(k, 80).String(), x[k], y[k])...)
	}
	return out
}
