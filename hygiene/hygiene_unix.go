//go:build unix

package hygiene

import "golang.org/x/sys/unix"

// noCore lowers the hard limit too, so that children cannot raise it again.
func noCore() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
