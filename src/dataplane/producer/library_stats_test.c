#include "library_stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// From memory of exactly that length, so that the address sanitizer sees one byte too many.
static uint64_t sum(const char *json, const char *name)
{
	size_t length = strlen(json);
	char *exact = malloc(length);
	uint64_t result;

	assert(exact != NULL);
	memcpy(exact, json, length);
	result = fc_library_stats_sum(exact, length, name);
	free(exact);
	return result;
}

int main(void)
{
	assert(sum("{ \"brokers\": { \"a\": { \"txretries\":3 }, \"b\": { \"txretries\": 40 } } }", "txretries") == 43);
	assert(sum("{ \"req\": { \"Produce\": 12, \"ProduceOther\": 5 } }", "Produce") == 12);
	assert(sum("{ \"tx\": 7 }", "txretries") == 0);
	assert(sum("\"Produce\": 18446744073709551615", "Produce") == UINT64_MAX);
	assert(sum("{ \"Produce\":", "Produce") == 0); // cut off
	assert(sum("{ \"Produce\":   ", "Produce") == 0);
	assert(sum("{ \"Produce\": 1", "Produce") == 1);
	assert(sum("{ \"Produce\": -1 }", "Produce") == 0);
	assert(fc_library_stats_sum("", 0, "Produce") == 0);
	return 0;
}
