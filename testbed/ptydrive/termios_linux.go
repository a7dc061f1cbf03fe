package ptydrive

import (
	"os"

	"golang.org/x/sys/unix"
)

// termios returns the line settings of a terminal.
func termios(tty *os.File) (*unix.Termios, error) {
	return unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
}
