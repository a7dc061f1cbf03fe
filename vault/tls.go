package vault

import (
	"crypto/tls"
	"errors"
	"syscall"

	"midwatch/action"
)

func tlsDefaults() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12} }

// isRefused reports what trying again at once cannot help: nobody listens, or
// midwatch itself refused to send.
func isRefused(err error) bool {
	var refused *action.RefusedError
	return errors.As(err, &refused) || errors.Is(err, syscall.ECONNREFUSED)
}
