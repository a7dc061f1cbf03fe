//go:build unix

package connect

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// screenInput puts /dev/null in the place of standard input and back. It
// swaps the file behind descriptor 0 and not os.Stdin, which client-go reads
// from other goroutines.
type screenInput struct {
	file *os.File // the real one, under another descriptor
}

// spare is the lowest descriptor the real standard input is kept under.
const spare = 10

func takeInput() (*screenInput, error) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, spare)
	if err != nil {
		return &screenInput{}, nil //nolint:nilerr // started without a standard input: there is none to protect
	}
	return &screenInput{file: os.NewFile(uintptr(fd), "stdin")}, nil
}

func (i *screenInput) real() *os.File {
	if i.file == nil {
		return os.Stdin
	}
	return i.file
}

func (i *screenInput) hide() error {
	if i.file == nil {
		return nil
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("hide standard input: %w", err)
	}
	defer null.Close() //nolint:errcheck // only its copy is used
	if err := replace(null, 0); err != nil {
		return fmt.Errorf("hide standard input: %w", err)
	}
	return nil
}

func (i *screenInput) show() error {
	if i.file == nil {
		return nil
	}
	if err := replace(i.file, 0); err != nil {
		return fmt.Errorf("give standard input back: %w", err)
	}
	return nil
}

func (i *screenInput) restore() error {
	err := i.show()
	if i.file != nil {
		_ = i.file.Close() // its copy is standard input again
		i.file = nil
	}
	return err
}
