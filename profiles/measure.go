package profiles

import (
	"fmt"
	"math"
	"strings"
)

// unit is a unit of measure with its size in the family's base unit.
type unit struct {
	name    string
	size    float64
	aliases []string
}

// families are the units pprof knows how to scale; kB is 1024 bytes.
var families = [][]unit{
	{
		{"B", 1, []string{"b", "byte"}},
		{"kB", 1 << 10, []string{"kb", "kbyte", "kilobyte"}},
		{"MB", 1 << 20, []string{"mb", "mbyte", "megabyte"}},
		{"GB", 1 << 30, []string{"gb", "gbyte", "gigabyte"}},
		{"TB", 1 << 40, []string{"tb", "tbyte", "terabyte"}},
	},
	{
		{"ns", 1, []string{"ns", "nanosecond"}},
		{"us", 1e3, []string{"μs", "us", "microsecond"}},
		{"ms", 1e6, []string{"ms", "millisecond"}},
		{"s", 1e9, []string{"s", "sec", "second"}},
		{"hrs", 3600e9, []string{"hour", "hr"}},
	},
}

// find returns the family of a unit and the unit itself.
func find(name string) ([]unit, *unit) {
	name = strings.ToLower(name)
	if len(name) > 2 && name != "μs" {
		name = strings.TrimSuffix(name, "s")
	}
	for _, family := range families {
		for i := range family {
			for _, a := range family[i].aliases {
				if a == name {
					return family, &family[i]
				}
			}
		}
	}
	return nil, nil
}

// FormatValue writes a value in the largest unit that keeps it at 1 or above:
// "1.17s", "512kB", "1204". Counts have no unit.
func FormatValue(v int64, unit string) string { return ScaleTo(v, unit, "") }

// ScaleTo writes a value given in unit from, in unit to, with at most two
// decimals. An empty to picks the unit by the value.
func ScaleTo(v int64, from, to string) string {
	family, f := find(from)
	if f == nil {
		return trimZeros(float64(v))
	}
	base := float64(v) * f.size
	t := largest(family, math.Abs(base))
	if to != "" {
		for i := range family {
			if family[i].name == to {
				t = &family[i]
			}
		}
	}
	s := trimZeros(base / t.size)
	if s == "0" {
		return s
	}
	return s + t.name
}

// largest returns the largest unit in which v is at least 1. Nothing gets
// the seconds or bytes that pprof prints it in.
func largest(family []unit, v float64) *unit {
	best := &family[0]
	for i := range family {
		if v >= family[i].size {
			best = &family[i]
		}
	}
	return best
}

// TableUnit returns the one unit to write a table's values in, so that a
// column can be compared by its digits: the unit of the smallest non-zero
// value, but never so small that the largest needs more than six digits.
func TableUnit(values []int64, unit string) string {
	family, f := find(unit)
	if f == nil {
		return ""
	}
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if v == 0 {
			continue
		}
		a := math.Abs(float64(v)) * f.size
		low, high = math.Min(low, a), math.Max(high, a)
	}
	if high == 0 {
		return ""
	}
	t := largest(family, low)
	for i := range family {
		if high/t.size >= 1e5 && family[i].size > t.size {
			t = &family[i]
		}
	}
	return t.name
}

func trimZeros(v float64) string {
	s := strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
	if s == "-0" {
		return "0"
	}
	return s
}

// Percent writes |v| as a percentage of total, six cells wide, as pprof does.
func Percent(v, total int64) string {
	ratio := 0.0
	if total != 0 {
		ratio = math.Abs(float64(v)/float64(total)) * 100
	}
	switch {
	case ratio >= 99.95 && ratio <= 100.05:
		return "  100%"
	case ratio >= 1:
		return fmt.Sprintf("%5.2f%%", ratio)
	}
	return fmt.Sprintf("%5.2g%%", ratio)
}
