package apiserver

import (
	"fmt"
	"math/rand/v2"

	"k8s.io/apimachinery/pkg/types"
)

// idSource makes UIDs and name suffixes that repeat for the same seed.
type idSource struct{ rnd *rand.Rand }

func newIDSource(seed int64) *idSource {
	return &idSource{rnd: rand.New(rand.NewPCG(uint64(seed), 0x6d69647761746368))}
}

func (s *idSource) uid() types.UID {
	hi, lo := s.rnd.Uint64(), s.rnd.Uint64()
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0x3fff|0x8000, lo&0xffffffffffff))
}

// suffix is what the server appends to generateName; alphabet and length are those of apimachinery's util/rand.
func (s *idSource) suffix() string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, 5)
	for i := range b {
		b[i] = alphabet[s.rnd.IntN(len(alphabet))]
	}
	return string(b)
}
