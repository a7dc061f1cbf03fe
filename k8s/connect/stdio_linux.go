package connect

import (
	"os"

	"golang.org/x/sys/unix"
)

// replace makes descriptor fd another name of f. Newer Linux architectures
// have dup3 alone.
func replace(f *os.File, fd int) error {
	return unix.Dup3(int(f.Fd()), fd, 0) //nolint:wrapcheck // callers say of what
}
