#include "library_stats.h"

#include <stdio.h>
#include <string.h>

// The place behind `"name":` and spaces, or NULL.
static const char *find(const char *at, const char *end, const char *name)
{
	char member[64];
	size_t length = (size_t)snprintf(member, sizeof member, "\"%s\":", name);

	at = memmem(at, (size_t)(end - at), member, length);
	if (at == NULL)
		return NULL;
	for (at += length; at < end && *at == ' '; at++)
		;
	return at;
}

static uint64_t number(const char *at, const char *end)
{
	uint64_t value = 0;

	for (; at < end && *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

uint64_t fc_library_stats_sum(const char *json, size_t length, const char *name)
{
	const char *end = json + length, *at = json;
	uint64_t sum = 0;

	while ((at = find(at, end, name)) != NULL)
		sum += number(at, end);
	return sum;
}

static bool begins(const char *at, const char *end, const char *text)
{
	size_t length = strlen(text);

	return at != NULL && (size_t)(end - at) >= length && memcmp(at, text, length) == 0;
}

// The first member of that name among those of a window ("rtt": { ... }), or 0.
static uint64_t of_window(const char *window, const char *end, const char *name)
{
	const char *window_end = window != NULL ? memchr(window, '}', (size_t)(end - window)) : NULL;
	const char *at = window_end != NULL ? find(window, window_end, name) : NULL;

	return at != NULL ? number(at, window_end) : 0;
}

bool fc_library_stats_broker(const char **at, const char *end, struct fc_library_broker *broker)
{
	const char *node, *next, *rtt;

	// Those that it only knows by their bootstrap address, and its logical ones, have the node id -1.
	do {
		node = find(*at, end, "nodeid");
		if (node == NULL)
			return false;
		*at = node;
	} while (node == end || *node < '0' || *node > '9');
	next = find(node, end, "nodeid");
	if (next == NULL)
		next = end;
	rtt = find(node, next, "rtt");
	*broker = (struct fc_library_broker){
		.node = (int32_t)number(node, next),
		.connected = begins(find(node, next, "state"), next, "\"UP\""),
		.round_trip_us = of_window(rtt, next, "sum"),
		.answers = of_window(rtt, next, "cnt"),
	};
	return true;
}
