// What an rx worker does to packets: the filter and snaplen. Other rules may be given to it while it runs.
//
// Hand-over: the control thread makes rules for each worker, compiled and checked, and puts them into `offered`. The
// worker looks there once a round, which is one relaxed load of a line that nobody else writes, takes them, and puts
// the ones that it has no more use for into `returned`. Whoever has taken rules owns them, so nobody has to know when a
// worker has passed some point: what comes back is free. Only the control thread makes rules and frees them; a worker
// never allocates.
#ifndef FC_RULES_H
#define FC_RULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../source/source.h"
#include "filter.h"

// Constant once made, but for the filter's scratch, which is the worker's.
struct fc_rx_rules {
	struct fc_filter filter;         // owned
	struct fc_kernel_filter *kernel; // owned: what the source itself does of it; NULL: nothing
	int source_filters;              // FC_FILTERS_...: what the filter need not see
	uint32_t snaplen;
	char note[256]; // for the log: how the filter is run; "" when there is nothing to say
};

// Between the control thread and one worker; on a cache line of its own.
struct fc_rx_rules_desk {
	_Atomic(struct fc_rx_rules *) offered;  // writers: control thread (puts), worker (takes)
	_Atomic(struct fc_rx_rules *) returned; // writers: worker (puts), control thread (takes)

	// Control thread only.
	const struct fc_rx_rules *newest; // those that the worker has, but for a change under way
	const struct fc_rx_rules *change; // the change under way; NULL: none
};

// Makes rules for a worker of this source that has the rules `before` (NULL: none yet). `wanted` is pcap-filter(7), ""
// for all. Control thread, after the source was opened. NULL with fc_error(): EINVAL, it cannot be; EAGAIN, not now.
struct fc_rx_rules *fc_rx_rules_make(
	struct fc_source *s, const char *wanted, uint32_t snaplen, const struct fc_rx_rules *before);

// NULL is fine. Control thread; nobody else may have them.
void fc_rx_rules_free(struct fc_rx_rules *rules);

// Gives rules to a worker that runs; they are the desk's now. Control thread, when no change is under way.
void fc_rx_rules_offer(struct fc_rx_rules_desk *desk, struct fc_rx_rules *rules);

// Whether no change is under way: frees what the worker has returned. Control thread.
bool fc_rx_rules_settled(struct fc_rx_rules_desk *desk);

// The rules on offer, if there are any: they are the caller's. The worker; the control thread when that has ended.
static inline struct fc_rx_rules *fc_rx_rules_take(struct fc_rx_rules_desk *desk)
{
	if (__builtin_expect(atomic_load_explicit(&desk->offered, memory_order_relaxed) == NULL, 1))
		return NULL;
	return atomic_exchange_explicit(&desk->offered, NULL, memory_order_acquire);
}

// Gives back those that it does not use: the old ones, or new ones that it could not turn to. The worker, once for each
// that it takes.
static inline void fc_rx_rules_return(struct fc_rx_rules_desk *desk, struct fc_rx_rules *rules)
{
	atomic_store_explicit(&desk->returned, rules, memory_order_release);
}

#endif
