//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package action

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// privateDir creates the directory for its user alone, or checks that nobody
// else can put files into an existing one.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create its directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at its directory: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return fmt.Errorf("its directory %s: the system does not tell whose it is", dir)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("its directory %s belongs to user %d, not to you: choose another or fix the owner", dir, st.Uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("its directory %s can be written to by others: chmod go-w it", dir)
	}
	return nil
}

// openPrivate opens the file for appending, creates it if need be, and refuses
// one that is not plainly the user's own.
func openPrivate(path string) (*os.File, error) {
	// O_NONBLOCK: a pipe somebody put there must not hang us before Stat.
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, errors.New("it is a symbolic link: remove it")
	}
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if err := checkPrivate(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the file: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file: remove it")
	case !ok:
		return errors.New("the system does not tell whose it is")
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("it belongs to user %d, not to you: remove it or fix the owner", st.Uid)
	case st.Nlink > 1:
		return errors.New("it has a second name (hard link): remove one")
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return fmt.Errorf("make it private: %w", err)
		}
	}
	return nil
}

// readPrivate reads at most the last limit bytes of a file that passes the
// same checks.
func readPrivate(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, errors.New("it is a symbolic link: remove it")
	}
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	if err := checkPrivate(f); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the file: %w", err)
	}
	from := max(0, info.Size()-limit)
	data, err := io.ReadAll(io.NewSectionReader(f, from, limit))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return data, nil
}

// tryLock takes the exclusive lock of the file if nobody else has it. It is
// released when the file is closed, also by a crash.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return false, nil
	}
	return false, fmt.Errorf("lock: %w", err)
}
