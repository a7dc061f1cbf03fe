//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package action

import (
	"errors"
	"os"
)

// errNoJournal keeps midwatch read-only where a file's owner and lock cannot
// be checked as the journal needs it.
var errNoJournal = errors.New("the journal is not supported on this system, so midwatch stays read-only here")

func privateDir(string) error { return errNoJournal }

func openPrivate(string) (*os.File, error) { return nil, errNoJournal }

func readPrivate(string, int64) ([]byte, error) { return nil, errNoJournal }

func tryLock(*os.File) (bool, error) { return false, errNoJournal }
