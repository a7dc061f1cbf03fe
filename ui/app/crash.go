package app

import (
	"fmt"
	"runtime/debug"

	"midwatch/foreign"
)

// Crash is a bug that ended the console.
type Crash struct {
	What  string
	Stack []byte
}

func newCrash(p any) *Crash {
	return &Crash{What: foreign.CleanN(fmt.Sprint(p), 300).String(), Stack: debug.Stack()}
}

// Error is one line.
func (c *Crash) Error() string { return "internal error: " + c.What }
