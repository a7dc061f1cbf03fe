package app

import (
	"fmt"
	"os"
	"runtime/debug"

	"midwatch/foreign"
)

// Crash is a bug that ended the console.
type Crash struct {
	What  string
	Stack []byte
	// File is where the stack was written; empty when it could not be.
	File string
}

func newCrash(p any) *Crash {
	return &Crash{What: foreign.CleanN(fmt.Sprint(p), 300).String(), Stack: debug.Stack()}
}

// Error is one line.
func (c *Crash) Error() string {
	line := "internal error: " + c.What
	if c.File != "" {
		line += " (details in " + c.File + ")"
	}
	return line
}

// save writes the stack where it can be found: it is of no use on a terminal,
// and needed for the bug report.
func (c *Crash) save(version string) {
	f, err := os.CreateTemp("", "midwatch-crash-*.txt")
	if err != nil {
		return
	}
	_, err = fmt.Fprintf(f, "midwatch %s\n%s\n\n%s", version, c.What, c.Stack)
	if f.Close() == nil && err == nil {
		c.File = f.Name()
	}
}
