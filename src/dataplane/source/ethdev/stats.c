// What a device says of its packets, from our start on.
#include <stdlib.h>
#include <string.h>

#include "../../stats/counter.h"
#include "ethdev.h"

static uint64_t fetched(const struct fc_source *s, const struct fc_ethdev *e)
{
	uint64_t sum = 0;
	uint16_t queue;

	for (queue = 0; queue < s->rx_queues; queue++)
		sum += fc_counter_read(&e->queues[queue].fetched);
	return sum;
}

// Two threads may look at once; the one that looked first must not take back what the other has seen.
static void raise_to(_Atomic uint64_t *counter, uint64_t value)
{
	uint64_t before = atomic_load(counter);

	while (before < value && !atomic_compare_exchange_weak(counter, &before, value))
		;
}

// A device with one queue knows. One with several may count drops per queue; that is believed when they add up.
static void share_out(const struct fc_source *s, struct fc_ethdev *e, const struct rte_eth_stats *now,
	const struct fc_source_row *total)
{
	uint64_t missed[RTE_ETHDEV_QUEUE_STAT_CNTRS] = {0}, sum = 0;
	uint16_t queue, counted = (uint16_t)RTE_MIN(s->rx_queues, RTE_DIM(missed));

	for (queue = 0; queue < counted; queue++) {
		missed[queue] = now->q_errors[queue] - e->before.q_errors[queue] + fc_hidden_queue(&e->hidden, queue);
		sum += missed[queue];
	}
	if (s->rx_queues == 1) {
		missed[0] = total->missed;
		raise_to(&e->queues[0].errors, total->errors);
		raise_to(&e->queues[0].no_mbuf, total->no_mbuf);
	} else if (sum != total->missed || total->errors + total->no_mbuf > 0) {
		atomic_store(&e->losses_per_queue, false);
		return;
	}
	for (queue = 0; queue < counted; queue++)
		raise_to(&e->queues[queue].missed, missed[queue]);
	atomic_store(&e->losses_per_queue, true);
}

void fc_ethdev_stats(const struct fc_source *s, struct fc_ethdev *e, struct fc_source_row *row)
{
	struct rte_eth_stats now = e->before;
	uint64_t received, ours, no_mbuf;
	bool ended = atomic_load(&e->queues_open) == 0;

	// Before the device, so that what it receives meanwhile does not look like less than was fetched.
	ours = fetched(s, e);
	*row = (struct fc_source_row){0};
	if (e->started)
		rte_eth_stats_get(e->port, &now);
	received = now.ipackets - e->before.ipackets;
	no_mbuf = now.rx_nombuf - e->before.rx_nombuf;
	row->missed = now.imissed - e->before.imissed + fc_hidden_read(&e->hidden);
	row->errors = now.ierrors - e->before.ierrors;
	// Most drivers leave a packet in the queue when there is no buffer to put in its place, and fetch it later.
	if (e->driver->no_mbuf_is_loss)
		row->no_mbuf = no_mbuf;
	else
		row->no_mbuf_waits = no_mbuf;
	// What came after the last fetch is not ours. The other way round it is a driver's mistake, and to be seen.
	if (ended && received > ours) {
		row->unfetched = received - ours;
		received = ours;
	}
	row->in = received + row->missed + row->errors + row->no_mbuf;
	share_out(s, e, &now, row);
}

size_t fc_ethdev_xstats(const struct fc_ethdev *e, struct fc_xstat *rows, size_t max)
{
	int count = rte_eth_xstats_get(e->port, NULL, 0), k;
	struct rte_eth_xstat *values = calloc((size_t)(count > 0 ? count : 1), sizeof *values);
	struct rte_eth_xstat_name *names = calloc((size_t)(count > 0 ? count : 1), sizeof *names);
	size_t used = 0;

	if (values != NULL && names != NULL && count > 0 &&
		rte_eth_xstats_get_names(e->port, names, (unsigned)count) == count &&
		rte_eth_xstats_get(e->port, values, (unsigned)count) == count) {
		for (k = 0; k < count; k++) {
			if (values[k].value == 0)
				continue;
			if (used < max) {
				memcpy(rows[used].name, names[values[k].id].name, sizeof rows[used].name);
				rows[used].name[sizeof rows[used].name - 1] = '\0';
				rows[used].value = values[k].value;
			}
			used++;
		}
	}
	free(values);
	free(names);
	return used;
}
