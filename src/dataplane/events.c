#include "events.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

void fc_events_init(struct fc_events *events)
{
	pthread_mutex_init(&events->mutex, NULL);
	events->head = events->count = events->lost = 0;
}

void fc_events_destroy(struct fc_events *events)
{
	pthread_mutex_destroy(&events->mutex);
}

void fc_event(struct fc_events *events, int level, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&events->mutex);
	if (events->count == FC_EVENTS_MAX) {
		events->lost++;
	} else {
		unsigned slot = (events->head + events->count++) % FC_EVENTS_MAX;

		events->level[slot] = level;
		va_start(args, format);
		vsnprintf(events->text[slot], FC_EVENT_BYTES, format, args);
		va_end(args);
	}
	pthread_mutex_unlock(&events->mutex);
}

int fc_events_take(struct fc_events *events, char *text, size_t size)
{
	int level = -1;

	pthread_mutex_lock(&events->mutex);
	if (events->count > 0) {
		level = events->level[events->head];
		snprintf(text, size, "%s", events->text[events->head]);
		events->head = (events->head + 1) % FC_EVENTS_MAX;
		events->count--;
	} else if (events->lost > 0) {
		level = LOG_WARNING;
		snprintf(text, size, "%u more messages were not kept", events->lost);
		events->lost = 0;
	}
	pthread_mutex_unlock(&events->mutex);
	return level;
}
