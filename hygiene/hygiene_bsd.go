//go:build unix && !linux

package hygiene

func measures() []measure {
	return []measure{{"no core dumps (RLIMIT_CORE 0)", noCore}}
}
