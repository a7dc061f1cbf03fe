package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

// Fingerprints answer "is it the same value" without showing it: an HMAC under
// a key that this process made and nobody else has, so a fingerprint in a
// screenshot is useless, also for values that could be guessed.
type Fingerprints struct{ key []byte }

// NewFingerprints makes the key.
func NewFingerprints() *Fingerprints {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails, see crypto/rand
	return &Fingerprints{key: key}
}

// Of is the fingerprint of a value: six hexadecimal digits. Two different
// values share one with a chance of 1 in 16 million; use [Fingerprints.Same]
// to compare.
func (f *Fingerprints) Of(value []byte) string {
	return hex.EncodeToString(f.sum(value)[:3])
}

// Same reports whether two values are the same.
func (f *Fingerprints) Same(a, b []byte) bool { return hmac.Equal(f.sum(a), f.sum(b)) }

func (f *Fingerprints) sum(value []byte) []byte {
	mac := hmac.New(sha256.New, f.key)
	mac.Write(value)
	return mac.Sum(nil)
}
