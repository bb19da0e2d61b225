#include "murmur2.h"

#include <endian.h>
#include <string.h>

// Austin Appleby's MurmurHash2 with the seed of Kafka's Utils.murmur2(); it reads little-endian words.
uint32_t fc_murmur2(const uint8_t *data, size_t bytes)
{
	const uint32_t seed = 0x9747b28c, m = 0x5bd1e995;
	uint32_t h = seed ^ (uint32_t)bytes, k;

	for (; bytes >= 4; data += 4, bytes -= 4) {
		memcpy(&k, data, sizeof k);
		k = le32toh(k) * m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	if (bytes > 0) {
		k = 0;
		memcpy(&k, data, bytes);
		h = (h ^ le32toh(k)) * m;
	}
	h ^= h >> 13;
	h *= m;
	return h ^ h >> 15;
}
