#include "murmur2.h"

#define SEED UINT32_C(0x9747b28c)
#define MULTIPLIER UINT32_C(0x5bd1e995)
enum { SHIFT = 24 };

uint32_t fc_murmur2(const uint8_t *data, size_t bytes)
{
	uint32_t hash = SEED ^ (uint32_t)bytes;

	for (; bytes >= 4; bytes -= 4, data += 4) {
		uint32_t k =
			(uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;

		k *= MULTIPLIER;
		k ^= k >> SHIFT;
		hash = hash * MULTIPLIER ^ k * MULTIPLIER;
	}
	if (bytes >= 3)
		hash ^= (uint32_t)data[2] << 16;
	if (bytes >= 2)
		hash ^= (uint32_t)data[1] << 8;
	if (bytes >= 1)
		hash = (hash ^ data[0]) * MULTIPLIER;
	hash ^= hash >> 13;
	hash *= MULTIPLIER;
	return hash ^ hash >> 15;
}
