package unleash

import "math/bits"

// Seeds and sizes by which SDKs place a subject (Unleash client
// specification: strategies and variants).
const (
	rolloutSeed = 0
	variantSeed = 86028157
)

// bucket is where an id falls in 1..size, for one group.
func bucket(group, id string, size uint32, seed uint32) uint32 {
	if size == 0 {
		return 0
	}
	return murmur3(group+":"+id, seed)%size + 1
}

// murmur3 is MurmurHash3_x86_32 by Austin Appleby.
func murmur3(s string, seed uint32) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	h := seed
	n := len(s) / 4 * 4
	for i := 0; i < n; i += 4 {
		k := uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
		h ^= bits.RotateLeft32(k*c1, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var k uint32
	switch rest := s[n:]; len(rest) {
	case 3:
		k = uint32(rest[2]) << 16
		fallthrough
	case 2:
		k |= uint32(rest[1]) << 8
		fallthrough
	case 1:
		k |= uint32(rest[0])
		h ^= bits.RotateLeft32(k*c1, 15) * c2
	}
	h ^= uint32(len(s))
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}
