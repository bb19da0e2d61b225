#include "library_stats.h"

#include <stdio.h>
#include <string.h>

uint64_t fc_library_stats_sum(const char *json, size_t length, const char *name)
{
	const char *end = json + length, *at = json;
	char member[64];
	size_t member_length = (size_t)snprintf(member, sizeof member, "\"%s\":", name);
	uint64_t sum = 0;

	while ((at = memmem(at, (size_t)(end - at), member, member_length)) != NULL) {
		uint64_t number = 0;

		for (at += member_length; at < end && *at == ' '; at++)
			;
		for (; at < end && *at >= '0' && *at <= '9'; at++)
			number = number * 10 + (uint64_t)(*at - '0');
		sum += number;
	}
	return sum;
}
