//go:build !unix

package connect

import (
	"fmt"
	"os"
)

// screenInput puts the null device in the place of os.Stdin and back.
type screenInput struct{ file, null *os.File }

func takeInput() (*screenInput, error) { return &screenInput{file: os.Stdin}, nil }

func (i *screenInput) real() *os.File { return i.file }

func (i *screenInput) hide() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("hide standard input: %w", err)
	}
	i.null, os.Stdin = null, null
	return nil
}

func (i *screenInput) show() error {
	os.Stdin = i.file
	if i.null != nil {
		_ = i.null.Close() // nothing reads it any more
		i.null = nil
	}
	return nil
}

func (i *screenInput) restore() error { return i.show() }
