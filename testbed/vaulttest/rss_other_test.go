//go:build !linux

package vaulttest

import "os"

// maxRSS is 0 where it is not known.
func maxRSS(*os.ProcessState) int64 { return 0 }
