// Command gofixtures makes the Go fixtures with the real runtime and with
// fgprof. Run it from a module of its own:
//
//	mkdir -p /srv/shop && cp gofixtures.go /srv/shop && cd /srv/shop
//	go mod init shop && go get github.com/felixge/fgprof && go build -trimpath -o shop . && ./shop OUT
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/felixge/fgprof"
)

type order struct {
	ID    int
	Items []string
}

//go:noinline
func handleOrder(n int) int {
	var o order
	data := []byte(`{"ID":7,"Items":["a","b","c","d","e","f"]}`)
	for range n {
		if err := json.Unmarshal(data, &o); err != nil {
			panic(err)
		}
	}
	return o.ID
}

type pool struct{ slots chan struct{} }

//go:noinline
func (p *pool) Get() { p.slots <- struct{}{} }

var kept [][]byte

//go:noinline
func leak() { kept = append(kept, bytes.Repeat([]byte("x"), 64<<10)) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	out := os.Args[1]
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(out, name))
		check(err)
		return f
	}
	runtime.MemProfileRate = 4096
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)

	f := create("go.cpu.pb.gz")
	check(pprof.StartCPUProfile(f))
	pprof.Do(context.Background(), pprof.Labels("route", "/order"), func(context.Context) {
		for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); {
			handleOrder(100)
		}
	})
	pprof.StopCPUProfile()
	check(f.Close())

	p := &pool{slots: make(chan struct{}, 1)}
	p.Get()
	for range 40 {
		go p.Get()
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				mu.Lock()
				handleOrder(5)
				time.Sleep(time.Millisecond)
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	for range 20 {
		leak()
	}
	runtime.GC()
	for _, name := range []string{"heap", "goroutine", "mutex", "block", "threadcreate", "allocs"} {
		for suffix, debug := range map[string]int{".pb.gz": 0, ".debug1.txt": 1} {
			if name == "allocs" && debug == 1 {
				continue // large, and the same text as heap's
			}
			f := create("go." + name + suffix)
			check(pprof.Lookup(name).WriteTo(f, debug))
			check(f.Close())
		}
	}
	f = create("go.goroutine.debug2.txt")
	check(pprof.Lookup("goroutine").WriteTo(f, 2))
	check(f.Close())

	f = create("fgprof.folded")
	stop := fgprof.Start(f, fgprof.FormatFolded)
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		handleOrder(100)
	}
	check(stop())
	check(f.Close())
}
