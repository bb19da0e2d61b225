#include "events.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

int main(void)
{
	static struct fc_events events;
	char text[FC_EVENT_BYTES], expected[32], tiny[4];
	int k;

	fc_events_init(&events);
	assert(fc_events_take(&events, text, sizeof text) == -1);

	// Three more than fit: the oldest are kept, the rest is counted.
	for (k = 0; k < FC_EVENTS_MAX + 3; k++)
		fc_event(&events, LOG_ERR, "line %d", k);
	for (k = 0; k < FC_EVENTS_MAX; k++) {
		snprintf(expected, sizeof expected, "line %d", k);
		assert(fc_events_take(&events, text, sizeof text) == LOG_ERR);
		assert(strcmp(text, expected) == 0);
	}
	assert(fc_events_take(&events, text, sizeof text) == LOG_WARNING);
	assert(strcmp(text, "3 more messages were not kept") == 0);
	assert(fc_events_take(&events, text, sizeof text) == -1);

	// The places are used again, and lines longer than theirs are cut.
	fc_event(&events, LOG_INFO, "%0*d", 2 * FC_EVENT_BYTES, 0);
	assert(fc_events_take(&events, text, sizeof text) == LOG_INFO);
	assert(strlen(text) == FC_EVENT_BYTES - 1);
	fc_event(&events, LOG_INFO, "long");
	assert(fc_events_take(&events, tiny, sizeof tiny) == LOG_INFO);
	assert(strcmp(tiny, "lon") == 0);
	fc_events_destroy(&events);
	return 0;
}
