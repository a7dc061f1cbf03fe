package hpa

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Value is the metric's current value with its unit: "118 %", "295m", "151Mi".
func (m *Metric) Value() string {
	if !m.Computed {
		return "?"
	}
	return quantity(m.Current, m.Unit)
}

// TargetValue is its target: "70 %", "100 per pod".
func (m *Metric) TargetValue() string {
	text := quantity(m.Target, m.Unit)
	if m.PerPod && m.Unit != Percent {
		text += " per pod"
	}
	return text
}

func quantity(v int64, u Unit) string {
	switch u {
	case Percent:
		return strconv.FormatInt(v, 10) + " %"
	case Cores:
		if v%1000 == 0 {
			return decimal(float64(v) / 1000)
		}
		return strconv.FormatInt(v, 10) + "m"
	case Bytes:
		return bytes(float64(v) / 1000)
	}
	return decimal(float64(v) / 1000)
}

// decimal writes a number with as many digits as say something.
func decimal(f float64) string {
	switch a := math.Abs(f); {
	case a >= 1e15:
		return strconv.FormatFloat(f, 'g', 3, 64)
	case a >= 100:
		return strconv.FormatFloat(math.Round(f), 'f', 0, 64)
	case a >= 1:
		return trimZeros(strconv.FormatFloat(f, 'f', 1, 64))
	}
	return trimZeros(strconv.FormatFloat(f, 'f', 3, 64))
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func bytes(f float64) string {
	units := []string{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}
	i := 0
	const step = 1024
	for math.Abs(f) >= step && i < len(units)-1 {
		f /= step
		i++
	}
	return decimal(f) + units[i]
}

// percent is a ratio's distance from 1, or a tolerance: "10 %".
func percent(f float64) string { return decimal(f*100) + " %" }

// tolerance is the one that holds on this side of the target.
func (c *calculation) tolerance(ratio float64) string {
	if ratio < 1 {
		return percent(c.down)
	}
	return percent(c.up)
}

// counting is "1 pod", "3 pods", "no pod".
func counting(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// short is a duration as people say it: "5m", "90s", "1h30m".
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0 && d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0 && d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}

// gives is "1 pod gives no metric", "3 pods give no metric".
func gives(n int) string {
	if n == 1 {
		return "1 pod gives no metric"
	}
	return fmt.Sprintf("%d pods give no metric", n)
}

func notReady(n int) string {
	if n == 1 {
		return "1 pod is not ready"
	}
	return fmt.Sprintf("%d pods are not ready", n)
}

// noValues says why no value counts.
func noValues(g Groups) string {
	var parts []string
	if n := len(g.Missing); n > 0 {
		parts = append(parts, gives(n))
	}
	if n := len(g.Unready); n > 0 {
		parts = append(parts, notReady(n))
	}
	if n := len(g.Ignored); n > 0 {
		parts = append(parts, counting(n, "pod")+" ended or ending")
	}
	if len(parts) == 0 {
		return "no pod gives a value"
	}
	return "no pod gives a value that counts: " + strings.Join(parts, ", ")
}

// held says which pods hold a metric back.
func heldBack(g Groups, upUnready bool) string {
	var parts []string
	if n := len(g.Missing); n > 0 {
		parts = append(parts, gives(n))
	}
	if n := len(g.Unready); n > 0 && upUnready {
		parts = append(parts, notReady(n))
	}
	return strings.Join(parts, " and ")
}

// corrected says what pods without a value did to a metric.
func corrected(m *Metric, g Groups, upUnready, cancelled bool) string {
	text := heldBack(g, upUnready)
	switch {
	case cancelled && m.Ratio > 1:
		return text + ", so the scale-up is cancelled"
	case cancelled:
		return text + ", so the scale-down is cancelled"
	case m.Ratio > 1:
		text += ", counted as idle"
	case m.Ratio < 1 && m.Unit == Percent:
		text += ", counted as busy as they asked for"
	case m.Ratio < 1:
		text += ", counted as on target"
	default:
		return text
	}
	if m.Ratio == 0 {
		return text
	}
	now := int64(math.Round(m.CorrectedRatio * float64(m.Target)))
	return fmt.Sprintf("%s: %s becomes %s", text, quantity(m.Current, m.Unit), quantity(now, m.Unit))
}
