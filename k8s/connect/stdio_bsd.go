//go:build unix && !linux

package connect

import (
	"os"

	"golang.org/x/sys/unix"
)

// replace makes descriptor fd another name of f.
func replace(f *os.File, fd int) error {
	return unix.Dup2(int(f.Fd()), fd) //nolint:wrapcheck // callers say of what
}
