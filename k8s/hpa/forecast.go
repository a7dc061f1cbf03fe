package hpa

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// lookAhead is how many of the controller's rounds are played ahead: half
	// an hour's.
	lookAhead = 120
	// waypoints is how many sizes on the way are told.
	waypoints = 6
)

// forecast plays the controller ahead with the metrics as they are.
func (c *calculation) forecast(e *Explanation, wants int, next normalised, p past) {
	now, size := c.in.Now, next.n
	goal := min(max(wants, c.min), c.max)
	points := []Point{{now, size}}
	ahead := past{append(slices.Clone(p.recommendations), Point{now, wants}), slices.Clone(p.changes)}
	if size != c.current {
		ahead.changes = append(ahead.changes, Point{now, size - c.current})
	}
	for range lookAhead {
		if size == goal || len(points) == waypoints {
			break
		}
		now = now.Add(c.flags.SyncPeriod)
		n := c.normalise(size, wants, ahead, now).n
		ahead.recommendations = append(ahead.recommendations, Point{now, wants})
		if n != size {
			ahead.changes = append(ahead.changes, Point{now, n - size})
			points = append(points, Point{now, n})
			size = n
		}
	}
	e.Forecast = told(c, wants, points, size)
}

// told says it, when there is something to say beside the next decision.
func told(c *calculation, wants int, points []Point, size int) *Forecast {
	f := &Forecast{Points: points}
	var parts []string
	switch {
	case wants > c.max:
		parts = append(parts, fmt.Sprintf("at this load it wants %d; the maximum is %d", wants, c.max))
	case wants < c.min:
		parts = append(parts, fmt.Sprintf("at this load %d would do; the minimum is %d", wants, c.min))
	}
	if len(points) > 1 {
		steps := make([]string, 0, len(points))
		for _, p := range points[1:] {
			steps = append(steps, strconv.Itoa(p.N))
		}
		parts = append(parts, "if the load stays, it goes on to "+strings.Join(steps, ", then "))
	} else if goal := min(max(wants, c.min), c.max); size != goal {
		parts = append(parts, fmt.Sprintf("if the load stays, it stays at %d", size))
	}
	if len(parts) == 0 {
		return nil
	}
	f.Text = strings.Join(parts, "; ")
	return f
}
