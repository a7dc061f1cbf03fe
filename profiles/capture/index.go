package capture

import (
	"regexp"
	"strconv"
	"strings"

	"midwatch/foreign"
)

// Index is what the index page of net/http/pprof offers.
type Index struct {
	// Counts are the live numbers beside the profiles: goroutines now,
	// allocation sites, threads.
	Counts map[Kind]int64
	// Custom are profiles of the program's own, by name.
	Custom []foreign.Text
}

// Has reports whether the page lists the profile. CPU has no count.
func (i *Index) Has(k Kind) bool {
	_, ok := i.Counts[k]
	return ok
}

// indexRow is a row of the page, net/http/pprof pprof.go indexTmplExecute:
// <tr><td>4</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr>.
var indexRow = regexp.MustCompile(`<tr><td>(\d*)</td><td><a href='?"?([A-Za-z0-9_./-]+)(?:\?[^'">]*)?'?"?>`)

const mostCustom = 32

// parseIndex reads the page; ok is false for any other page.
func parseIndex(page []byte) (i *Index, ok bool) {
	text := string(page)
	if !strings.Contains(text, "/debug/pprof/") || !strings.Contains(text, "profile") {
		return nil, false
	}
	i = &Index{Counts: map[Kind]int64{}}
	for _, m := range indexRow.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64) // empty for cpu and trace
		switch name := m[2]; name {
		case "profile":
			i.Counts[CPU] = 0
		case "cmdline", "symbol", "trace":
		case "heap", "allocs", "goroutine", "block", "mutex", "threadcreate", "goroutineleak":
			i.Counts[Kind(name)] = n
		default:
			if len(i.Custom) < mostCustom {
				i.Custom = append(i.Custom, foreign.CleanN(name, 64))
			}
		}
	}
	return i, len(i.Counts) > 0
}
