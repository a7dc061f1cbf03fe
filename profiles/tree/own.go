package tree

import (
	"strings"

	"midwatch/profiles"
)

// goStandard are the first elements of the standard library's import paths.
var goStandard = map[string]bool{}

func init() {
	for _, s := range strings.Fields(`archive bufio builtin bytes cmp compress container context crypto database debug embed
		encoding errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect
		regexp runtime slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak`) {
		goStandard[s] = true
	}
}

// Own reports whether a frame is the program's own code rather than the
// language's or a library's. Go tells by the file, which names the module
// cache, a vendor folder or a version (-trimpath), and by the standard
// library's import paths; Python by where packages are installed.
func Own(f Frame) bool {
	file, name := f.File.String(), f.Name.String()
	if f.Label != "" {
		return true
	}
	if isPython(f) {
		return file != "~" && !strings.HasPrefix(file, "<") && !strings.Contains(file, "/site-packages/") &&
			!strings.Contains(file, "/dist-packages/") && !strings.Contains(file, "/lib/python")
	}
	if strings.Contains(file, "/pkg/mod/") || strings.Contains(file, "/vendor/") || strings.Contains(file, "@v") {
		return false
	}
	pkg := Package(f)
	if pkg == "" || !strings.Contains(name, ".") {
		return false // C, assembly, unknown
	}
	first, _, _ := strings.Cut(pkg, "/")
	return !goStandard[first]
}

// Library is the opposite of [Own], for LayoutOptions.Fold.
func Library(f Frame) bool { return !Own(f) }

// Idle reports frames in which a goroutine or thread only waits, for hiding
// what waits in wall-clock profiles.
func Idle(f Frame) bool {
	switch f.Name {
	case "runtime.gopark", "runtime.goparkunlock", "runtime.notetsleepg", "runtime.futex", "runtime.netpollblock",
		"runtime.selectgo", "runtime.chanrecv", "runtime.chansend", "runtime.semacquire1", "runtime.semasleep",
		"runtime.usleep", "runtime.epollwait", "internal/runtime/syscall.EpollWait", "internal/runtime/syscall.Syscall6":
		return true
	}
	return false
}

// Subject is what a profile measures, as far as words differ.
type Subject int

// The subjects.
const (
	Other      Subject = iota
	CPU                // time on a processor
	Wall               // time passing
	Heap               // memory in use
	Allocs             // memory allocated since the start
	Goroutines         // how many there are and where
	Waiting            // block and mutex: time spent waiting
)

// SubjectOf says what a sample type measures.
func SubjectOf(p *profiles.Profile, typ int) Subject {
	t := p.Types[typ]
	switch t.Type {
	case "cpu", "gil":
		return CPU
	case "time", "wall":
		return Wall
	case "inuse_space", "inuse_objects", "space", "objects", "size":
		return Heap
	case "alloc_space", "alloc_objects":
		return Allocs
	case "goroutine", "goroutineleak", "goroutines", "threads", "threadcreate":
		return Goroutines
	case "contentions", "delay":
		return Waiting
	case "samples":
		for _, other := range p.Types {
			switch other.Type {
			case "cpu":
				return CPU
			case "time", "wall":
				return Wall
			}
		}
		return CPU
	}
	return Other
}
