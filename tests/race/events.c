// Events of several threads, read by another one: none is torn, and those that were not kept are counted.
#include "events.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <syslog.h>

enum { WRITERS = 4, LINES = 20000 };

static struct fc_events events;

static void *say(void *arg)
{
	const unsigned *writer = arg;
	unsigned line;

	for (line = 0; line < LINES; line++)
		fc_event(&events, LOG_INFO, "writer %u says %u and %u", *writer, line, line);
	return NULL;
}

// Takes an event; how many lines it stands for, 0 when there is none.
static unsigned take(unsigned next[WRITERS])
{
	char text[FC_EVENT_BYTES];
	int level = fc_events_take(&events, text, sizeof text);
	unsigned writer, line, again, lost;

	if (level < 0)
		return 0;
	if (level == LOG_WARNING) {
		assert(sscanf(text, "%u more messages were not kept", &lost) == 1);
		return lost;
	}
	assert(sscanf(text, "writer %u says %u and %u", &writer, &line, &again) == 3);
	assert(writer < WRITERS && line == again && line >= next[writer]);
	next[writer] = line + 1;
	return 1;
}

int main(void)
{
	unsigned numbers[WRITERS], next[WRITERS] = {0}, k, total = 0;
	pthread_t writers[WRITERS];

	fc_events_init(&events);
	for (k = 0; k < WRITERS; k++) {
		numbers[k] = k;
		assert(pthread_create(&writers[k], NULL, say, &numbers[k]) == 0);
	}
	while (total < WRITERS * LINES) {
		unsigned taken = take(next);

		total += taken;
		if (taken == 0)
			sched_yield();
	}
	for (k = 0; k < WRITERS; k++)
		pthread_join(writers[k], NULL);
	assert(total == WRITERS * LINES && take(next) == 0);
	fc_events_destroy(&events);
	return 0;
}
