package testbed

import "syscall"

// ownGroup puts a server into a process group of its own, so that it can be
// stopped with everything it started and does not get the terminal's ctrl-c;
// and has the kernel kill it if the test process dies without cleaning up.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
