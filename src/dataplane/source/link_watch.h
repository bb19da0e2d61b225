// Watches the link of a kernel interface through rtnetlink(7) and says in the events what happens to it: down, up,
// another MTU. One thread at a time.
#ifndef FC_LINK_WATCH_H
#define FC_LINK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "../events.h"

struct fc_link_watch {
	int fd;           // owned; -1: not open
	const char *name; // of the interface, borrowed
	bool known;       // what follows has been seen
	bool up;
	uint32_t mtu;
};

// Begins to watch; what the link is like now is the state to begin with. 0 or -errno with fc_error(). Call
// fc_link_watch_close() in either case.
int fc_link_watch_open(struct fc_link_watch *w, const char *name);
void fc_link_watch_close(struct fc_link_watch *w);

// Says what has happened since. Never waits.
void fc_link_watch_poll(struct fc_link_watch *w, struct fc_events *events);

#endif
