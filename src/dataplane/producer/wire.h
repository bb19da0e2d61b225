// The integers of Kafka's protocol: network byte order at any alignment, and varints ("Protocol Primitive Types" in
// Kafka's protocol guide). Nothing is checked here: the caller knows that there is room.
#ifndef FC_WIRE_H
#define FC_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint8_t *fc_put_u8(uint8_t *to, uint8_t v)
{
	*to = v;
	return to + 1;
}

static inline uint8_t *fc_put_u16(uint8_t *to, uint16_t v)
{
	v = htobe16(v);
	memcpy(to, &v, sizeof v);
	return to + sizeof v;
}

static inline uint8_t *fc_put_u32(uint8_t *to, uint32_t v)
{
	v = htobe32(v);
	memcpy(to, &v, sizeof v);
	return to + sizeof v;
}

static inline uint8_t *fc_put_u64(uint8_t *to, uint64_t v)
{
	v = htobe64(v);
	memcpy(to, &v, sizeof v);
	return to + sizeof v;
}

static inline uint16_t fc_get_u16(const uint8_t *from)
{
	uint16_t v;

	memcpy(&v, from, sizeof v);
	return be16toh(v);
}

static inline uint32_t fc_get_u32(const uint8_t *from)
{
	uint32_t v;

	memcpy(&v, from, sizeof v);
	return be32toh(v);
}

static inline uint64_t fc_get_u64(const uint8_t *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof v);
	return be64toh(v);
}

// Signed to unsigned, so that small numbers of either sign are short.
static inline uint64_t fc_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

// Bytes of the varint of `v`, which is zigzag already: 1 to 10.
static inline uint32_t fc_varint_bytes(uint64_t v)
{
	// (bits * 9 + 64) / 64 is ceil(bits / 7) for 1 to 64 bits, without a division.
	return ((64 - (uint32_t)__builtin_clzll(v | 1)) * 9 + 64) / 64;
}

// One byte or two is what nearly all of them are.
static inline uint8_t *fc_put_varint(uint8_t *to, uint64_t v)
{
	if (v >= 1 << 14) {
		for (; v >= 0x80; v >>= 7)
			*to++ = (uint8_t)(v | 0x80);
	} else if (v >= 1 << 7) {
		*to++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*to++ = (uint8_t)v;
	return to;
}

#endif
