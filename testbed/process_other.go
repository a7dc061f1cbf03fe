//go:build unix && !linux

package testbed

import "syscall"

// ownGroup puts a server into a process group of its own. Only Linux can tie
// a child's life to its parent's: elsewhere a test process that is killed
// leaves its servers behind.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
