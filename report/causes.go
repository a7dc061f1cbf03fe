package report

import (
	"slices"

	"midwatch/k8s"
)

// causes copies the causes with their times in UTC.
func causes(list []k8s.Cause) []k8s.Cause {
	out := append([]k8s.Cause{}, list...)
	for i := range out {
		c := &out[i]
		c.Since, c.NextStart = c.Since.UTC(), c.NextStart.UTC()
		c.Pods = slices.Clone(c.Pods)
		if c.Exit != nil {
			exit := *c.Exit
			exit.At = exit.At.UTC()
			c.Exit = &exit
		}
	}
	return out
}
