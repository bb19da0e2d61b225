#include "murmur2.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// From memory of exactly that length, so that the address sanitizer sees one byte too many.
static int32_t hash(const char *key)
{
	size_t bytes = strlen(key);
	uint8_t *exact = malloc(bytes);
	int32_t result;

	assert(bytes == 0 || exact != NULL);
	if (bytes > 0)
		memcpy(exact, key, bytes);
	result = (int32_t)fc_murmur2(exact, bytes);
	free(exact);
	return result;
}

int main(void)
{
	// The vectors of Kafka's UtilsTest, and the empty key.
	assert(hash("21") == -973932308);
	assert(hash("foobar") == -790332482);
	assert(hash("a-little-bit-long-string") == -985981536);
	assert(hash("a-little-bit-longer-string") == -1486304829);
	assert(hash("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8") == -58897971);
	assert(hash("abc") == 479470107);
	assert(hash("") == 275646681);

	assert(fc_murmur2_partition((const uint8_t *)"21", 2, 1) == 0);
	assert(fc_murmur2_partition((const uint8_t *)"21", 2, INT32_MAX) == (-973932308 & INT32_MAX) % INT32_MAX);
	return 0;
}
