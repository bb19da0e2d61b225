// What workers and Kafka-library threads have to say to the control plane: a short bounded queue of lines.
//
// Never used per packet. When nobody reads, the oldest lines are kept and the newer ones counted, so that a broker that
// is gone for a night cannot fill the memory.
#ifndef FC_EVENTS_H
#define FC_EVENTS_H

#include <pthread.h>
#include <stddef.h>

enum { FC_EVENTS_MAX = 64, FC_EVENT_BYTES = 512 };

struct fc_events {
	pthread_mutex_t mutex; // guards all below
	unsigned head, count, lost;
	int level[FC_EVENTS_MAX];
	char text[FC_EVENTS_MAX][FC_EVENT_BYTES];
};

void fc_events_init(struct fc_events *events);
void fc_events_destroy(struct fc_events *events);

// Any thread. `level` as in syslog(3).
__attribute__((format(printf, 3, 4))) void fc_event(struct fc_events *events, int level, const char *format, ...);

// Any thread. Returns the level of the line copied into `text`, or -1.
int fc_events_take(struct fc_events *events, char *text, size_t size);

#endif
