// What the parts of the ethdev source share.
#ifndef FC_ETHDEV_H
#define FC_ETHDEV_H

#include <rte_ethdev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../source.h"
#include "drivers.h"
#include "hidden_drops.h"
#include "hw_clock.h"

enum {
	// The longest frame that is asked for of a device, without its check sum; a device that takes less is taken
	// for what it does.
	FC_ETHDEV_MTU = 9216,
};

struct fc_ethdev_queue {
	// Drain: what stood in a queue when the intake ended is at most its descriptors; a device that goes on
	// receiving (or makes packets up, as net_null does) must not keep the drain from ending.
	uint32_t drain_left; // packets; UINT32_MAX while running; the queue's rx worker only
	bool ended;          // the queue's rx worker only
	uint64_t fetched;    // writer: the queue's rx worker; readers: any
	// Lost on this queue at the last look; they only grow. Writers and readers: any.
	_Atomic uint64_t missed, errors, no_mbuf;
} __rte_cache_aligned;

struct fc_ethdev {
	uint16_t port;
	bool attached; // probed by us, to be removed by us
	bool started;
	const struct fc_driver *driver; // what ethdev cannot tell of it
	uint16_t descriptors;
	unsigned if_index; // the kernel's interface behind it, 0 without one
	struct fc_ethdev_queue *queues;

	atomic_bool losses_per_queue; // the device tells of which queue its losses are; writers and readers: any
	struct rte_eth_stats before;  // what it had counted before the first packet; writer: start
	struct fc_hidden_drops hidden;
	struct fc_hw_clock clock;

	// Link; control thread only.
	bool link_up;
	atomic_bool removed; // writers: control thread, EAL's interrupt thread; readers: rx workers

	// A device counts on after its last packet was fetched: the figures of that moment are the final ones.
	_Atomic uint16_t queues_open; // writers: rx workers
	struct fc_source_row final;   // writer: the last rx worker to end
	atomic_bool final_valid;
};

// device.c: finds or probes the device, and makes it ours. 0 or -errno with fc_error(). Control thread, as all of these
// unless they say otherwise.
int fc_ethdev_attach(struct fc_source *s, struct fc_ethdev *e);

// device.c: checks what is asked for against the device's limits and sets up its queues. 0 or -errno with fc_error().
int fc_ethdev_configure(struct fc_source *s, struct fc_ethdev *e, const struct fc_source_config *config);

// rss.c: fills in how the device spreads packets over its queues.
void fc_ethdev_rss_configure(
	const struct fc_source *s, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf, uint8_t *key);

// rss.c: says which hash functions are on, and whether both directions of a conversation meet; after the start.
void fc_ethdev_rss_report(const struct fc_source *s, const struct fc_ethdev *e);

// stats.c: looks at the device's counters: those since the start, and per queue where the device knows. Any thread.
void fc_ethdev_stats(const struct fc_source *s, struct fc_ethdev *e, struct fc_source_row *row);

// stats.c: extended statistics that are not 0: at most `max` are filled in. Returns how many there are.
size_t fc_ethdev_xstats(const struct fc_ethdev *e, struct fc_xstat *rows, size_t max);

// link.c: begins and ends to look for the link and for the removal of the device; `look` about once a second.
void fc_ethdev_link_open(struct fc_source *s, struct fc_ethdev *e);
void fc_ethdev_link_look(struct fc_source *s, struct fc_ethdev *e);
void fc_ethdev_link_close(struct fc_ethdev *e);

#endif
