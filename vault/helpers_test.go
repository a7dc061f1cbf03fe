package vault_test

import (
	"encoding/pem"
	"net/http/httptest"

	"midwatch/secret"
)

func secretOf(s string) secret.Value { return secret.New(s) }

// certificate is the server's own, as PEM.
func certificate(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
