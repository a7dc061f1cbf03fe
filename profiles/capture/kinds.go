package capture

import "time"

// How long a timed capture lasts.
const (
	DefaultSeconds = 10
	MaxSeconds     = 60
)

// Kind names what is captured, as the command line and the screen do.
type Kind string

// The kinds. Those of Go are net/http/pprof's (Go 1.26), fgprof's, and, where
// the runtime has it, goroutineleak (stable from Go 1.27).
const (
	CPU           Kind = "cpu"
	Wall          Kind = "wall" // fgprof: on and off the CPU
	Heap          Kind = "heap"
	Allocs        Kind = "allocs"
	Goroutine     Kind = "goroutine"
	GoroutineLeak Kind = "goroutineleak"
	Block         Kind = "block"
	Mutex         Kind = "mutex"
	Threads       Kind = "threadcreate"
	PyMemory      Kind = "py-memory" // a tracemalloc endpoint
	PyCPU         Kind = "py-cpu"    // py-spy record, or Python 3.15's own sampler
	PyWall        Kind = "py-wall"   // the same with waiting threads (--idle)
	PyStacks      Kind = "py-stacks" // py-spy dump
	PyTasks       Kind = "py-tasks"  // python -m asyncio pstree, from Python 3.14
)

// Pause is what a capture does to the process it looks at.
type Pause int

// The classes, the lightest first.
const (
	NoPause    Pause = iota // sampling only
	ShortPause              // the world stops twice, for microseconds
	GCPause                 // a garbage collection is forced
	StopPause               // the process stands still for a moment
)

// String says it in the words of the screen.
func (p Pause) String() string {
	switch p {
	case ShortPause:
		return "stops the world twice, briefly"
	case GCPause:
		return "forces a garbage collection"
	case StopPause:
		return "stops the process for a moment"
	}
	return "does not stop the process"
}

// Asks reports whether the user has to agree before it is done.
func (p Pause) Asks() bool { return p == GCPause }

// Spec is what there is to know about a kind.
type Spec struct {
	Kind  Kind
	Title string
	// Path is below the prefix of an endpoint; empty for what has none.
	Path  string
	Pause Pause
	// Timed kinds look on for some seconds; the others are snapshots, which
	// given seconds become the difference of two (net/http/pprof ?seconds).
	Timed bool
	Delta bool
	// Python kinds come by other ways than net/http/pprof.
	Python bool
	// Exec kinds run a command in the container: a plan, which is confirmed.
	Exec bool
	// Toggle is the kind that shows the same with the other clock.
	Toggle Kind
	// Note explains what a reader has to know.
	Note string
}

// Specs lists the kinds in the order they are offered.
func Specs() []Spec {
	const async = "while a coroutine or goroutine waits it is not on the CPU: wall clock shows the waiting, CPU what there is to optimise"
	const pyAsync = "a coroutine that waits is on no thread's stack: wall clock shows the event loop in select, never which coroutine waits (py-tasks does, from Python 3.14); CPU shows what there is to optimise"
	return []Spec{
		{Kind: CPU, Title: "CPU time", Path: "profile", Timed: true, Toggle: Wall, Note: async},
		{Kind: Wall, Title: "wall clock (fgprof)", Path: "/debug/fgprof", Timed: true, Pause: ShortPause, Toggle: CPU, Note: async},
		{Kind: Heap, Title: "memory in use", Path: "heap", Delta: true},
		{Kind: Allocs, Title: "allocations since start", Path: "allocs", Delta: true},
		{Kind: Goroutine, Title: "goroutines now", Path: "goroutine", Delta: true, Pause: ShortPause},
		{Kind: GoroutineLeak, Title: "leaked goroutines", Path: "goroutineleak", Delta: true, Pause: GCPause},
		{Kind: Block, Title: "waiting on channels and locks", Path: "block", Delta: true, Note: "empty unless the program called runtime.SetBlockProfileRate"},
		{Kind: Mutex, Title: "holding contended locks", Path: "mutex", Delta: true, Note: "empty unless the program called runtime.SetMutexProfileFraction"},
		{Kind: Threads, Title: "where threads were created", Path: "threadcreate", Delta: true},
		{Kind: PyCPU, Title: "Python CPU time (by exec)", Timed: true, Python: true, Exec: true, Toggle: PyWall, Note: pyAsync},
		{Kind: PyWall, Title: "Python wall clock (by exec)", Timed: true, Python: true, Exec: true, Toggle: PyCPU, Note: pyAsync},
		{Kind: PyStacks, Title: "Python stacks now (by exec)", Python: true, Exec: true, Pause: StopPause, Note: "what every thread is at, at one moment; never with the values of variables"},
		{Kind: PyTasks, Title: "asyncio tasks now (by exec)", Python: true, Exec: true, Pause: NoPause, Note: "which coroutine waits for which, by Python 3.14's own python -m asyncio"},
		{Kind: PyMemory, Title: "Python memory (tracemalloc)", Python: true, Note: "the largest lines only, without stacks; tracemalloc itself costs memory"},
	}
}

// Of looks a kind up.
func Of(k Kind) (Spec, bool) {
	for _, s := range Specs() {
		if s.Kind == k {
			return s, true
		}
	}
	return Spec{}, false
}

// Request is one capture to make.
type Request struct {
	Kind Kind
	// Seconds to look on: 0 stands for the default of a timed kind, and for a
	// snapshot of the others.
	Seconds int
	// GC forces a garbage collection before a heap snapshot.
	GC bool
	// Container and PID say where an Exec kind looks; empty and 0 leave it to
	// midwatch.
	Container string
	PID       int
	// Metric is a counter of requests that is read at both ends; what the
	// settings name when empty.
	Metric string
}

// Lasts is how long the target will be looked at.
func (r Request) Lasts() time.Duration {
	s, _ := Of(r.Kind)
	n := r.Seconds
	if s.Timed && n <= 0 {
		n = DefaultSeconds
	}
	return time.Duration(min(max(n, 0), MaxSeconds)) * time.Second
}

// Pause is what the request does to the process.
func (r Request) Pause() Pause {
	s, _ := Of(r.Kind)
	if r.GC && r.Kind == Heap {
		return GCPause
	}
	return s.Pause
}
