// What has to hold for any input: the fuzzer keeps an input that breaks it.
#ifndef EXPECT_H
#define EXPECT_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline void expect(bool condition)
{
	if (!condition)
		abort();
}

// The bytes in memory of their own size, so that one byte too many is seen. The caller frees them.
static inline uint8_t *copy_of(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size > 0 ? size : 1);

	expect(bytes != NULL);
	if (size > 0)
		memcpy(bytes, data, size);
	return bytes;
}

#endif
