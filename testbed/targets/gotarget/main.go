// Gotarget is a Go program to take profiles of: it has one known hot spot and
// serves net/http/pprof. It prints its address and runs until it is killed.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"runtime"
	"runtime/debug"
	rpprof "runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	hot := flag.String("hot", "cpu", "cpu, alloc, leak, mutex, or shop")
	revision := flag.String("revision", "old", "of the shop: old, or new, which has a regression")
	token := flag.String("token", "", "serve profiles only to who sends Authorization: Bearer TOKEN")
	busy := flag.Bool("busy", false, "keep the CPU profiler busy for ever")
	cut := flag.Bool("cut", false, "break the connection after nine tenths of a snapshot")
	duty := flag.Duration("duty", 20*time.Millisecond, "how much CPU time to work for in every 100 ms")
	connect := flag.String("connect", "", "do nothing but relay standard input and output to this address")
	flag.Parse()
	if *connect != "" {
		relay(*connect)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	if *busy {
		if err := rpprof.StartCPUProfile(discard{}); err != nil {
			log.Fatal(err)
		}
	}
	start(*hot, *revision, *duty)
	// The parent is gone when standard input ends.
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, handler(*token, *cut)))
}

// relay is one forwarded connection. It ends a moment after either side does,
// as container runtimes' do (containerd internal/cri/server/sandbox_portforward_linux.go):
// kwok's own forwarding waits for both, so that a target never learns that its
// client has gone.
func relay(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		log.Fatal(err) // "connection refused" reaches the client by the error stream
	}
	ended := make(chan bool, 2)
	go func() { _, _ = io.Copy(conn, os.Stdin); ended <- true }()
	go func() { _, _ = io.Copy(os.Stdout, conn); ended <- false }()
	if clientGone := <-ended; clientGone {
		select {
		case <-ended:
		case <-time.After(200 * time.Millisecond):
		}
	}
	_ = conn.Close()
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func handler(token string, cut bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	served := &served{}
	mux.HandleFunc("GET /debug/pprof/profile", served.note(pprof.Profile))
	mux.Handle("GET /served", served)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if _, snapshot := strings.CutPrefix(r.URL.Path, "/debug/pprof/"); cut && snapshot && r.URL.Path != "/debug/pprof/" {
			breakOff(w, r, mux)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// breakOff serves nine tenths of an answer, promises all of it, and hangs up.
func breakOff(w http.ResponseWriter, r *http.Request, h http.Handler) {
	whole := httptest.NewRecorder()
	h.ServeHTTP(whole, r)
	body := whole.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body[:len(body)*9/10])     // nobody waits for the rest
	_ = http.NewResponseController(w).Flush() // or for this
	panic(http.ErrAbortHandler)
}

func start(hot, revision string, duty time.Duration) {
	switch hot {
	case "cpu":
		go loop(duty, func(int) { burn() })
	case "alloc":
		go loop(duty, func(int) { hoard() })
	case "leak":
		for range 300 {
			go waitForNobody(make(chan int))
		}
	case "mutex":
		runtime.SetMutexProfileFraction(1)
		var mu sync.Mutex
		for range 4 {
			go loop(duty, func(int) { contend(&mu) })
		}
	case "shop":
		// A real service has a heap of some size. This one would spend a
		// fifth of its time collecting next to nothing, more or less of it
		// as the machine has cores free.
		debug.SetGCPercent(1000)
		go loop(duty, func(n int) { handleOrder(n, revision == "new") })
	}
}

// loop works for some CPU time of every 100 ms. It is the process's CPU time
// that counts and not the clock's: on a machine that is busy with other things
// the clock would leave a profile with hardly a sample in it. How much varies,
// as it does where requests arrive when they like: bursts of one length would
// be sampled at the same few places again and again.
func loop(duty time.Duration, work func(n int)) {
	for n := 0; ; {
		begun, spent := time.Now(), cpuTime()
		burst := duty/2 + rand.N(duty)
		for cpuTime()-spent < burst {
			work(n)
			n++
		}
		time.Sleep(100*time.Millisecond - min(time.Since(begun), 100*time.Millisecond))
	}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		log.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

var sink uint64 //nolint:unused // written, so that the work is not left out

// burn is the hot spot of -hot cpu.
//
//go:noinline
func burn() {
	x := uint64(88172645463325252)
	for range 20000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink += x
}

var hoarded [][]byte

// hoard is the hot spot of -hot alloc: it keeps up to 64 MB.
//
//go:noinline
func hoard() {
	if len(hoarded) < 1024 {
		hoarded = append(hoarded, make([]byte, 64<<10))
		return
	}
	hoarded[len(hoarded)/2] = make([]byte, 64<<10)
}

// waitForNobody is what -hot leak leaves behind.
//
//go:noinline
func waitForNobody(answer chan int) { <-answer }

// contend is the hot spot of -hot mutex.
//
//go:noinline
func contend(mu *sync.Mutex) {
	mu.Lock()
	defer mu.Unlock()
	burn()
}

type order struct {
	ID    int
	Lines []string
}

// handleOrder is the shop's work. The new revision checks every line against
// a list that it reads anew each time.
//
//go:noinline
func handleOrder(n int, regressed bool) {
	raw := encode(n)
	o := decode(raw)
	for _, l := range o.Lines {
		if regressed {
			checkStock(l)
		}
		reserve(l)
	}
}

//go:noinline
func encode(n int) []byte {
	o := order{ID: n}
	for i := range 20 {
		o.Lines = append(o.Lines, fmt.Sprintf("sku-%d-%d", n%97, i))
	}
	raw, err := json.Marshal(o)
	if err != nil {
		log.Fatal(err)
	}
	return raw
}

//go:noinline
func decode(raw []byte) (o order) {
	if err := json.Unmarshal(raw, &o); err != nil {
		log.Fatal(err)
	}
	return o
}

//go:noinline
func reserve(line string) {
	for range 4 {
		sink += uint64(len(strings.ToUpper(line)))
	}
}

// checkStock is the planted regression.
//
//go:noinline
func checkStock(line string) {
	for i := range 4 {
		if strings.Contains(fmt.Sprintf("sku-%d;%s;", i, strings.Repeat("x", 40)), line) {
			sink++
		}
	}
}
