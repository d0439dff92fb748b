package kafka

import "encoding/binary"

// partitionFor returns the partition that Java's client gives a record with that key among n partitions: murmur2 with Kafka's seed,
// sign dropped.
func partitionFor(key []byte, n int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % n
}

// murmur2 is Austin Appleby's MurmurHash2 for 32 bits, seeded as Kafka's Utils.murmur2.
func murmur2(b []byte) uint32 {
	const seed, mul = 0x9747b28c, 0x5bd1e995
	h := uint32(seed) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * mul
		k ^= k >> 24
		h = h*mul ^ k*mul
	}
	for i := len(b) - 1; i >= 0; i-- {
		h ^= uint32(b[i]) << (8 * i)
	}
	if len(b) > 0 {
		h *= mul
	}
	h ^= h >> 13
	h *= mul
	return h ^ h>>15
}
