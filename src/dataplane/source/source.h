// A source offers receive queues; this is the one interface that an rx worker sees, whatever is behind it.
//
// Life: fc_source_open() -> [start of a queue -> rx_burst ... -> stop_intake -> rx_burst ...] -> fc_source_close().
#ifndef FC_SOURCE_H
#define FC_SOURCE_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "../dataplane.h"
#include "../events.h"

enum { FC_SOURCE_NAME_BYTES = 4096 };

// What rx_burst returns when nothing will ever come again.
enum {
	FC_RX_END = -1,    // end of a file, or of what was left after stop_intake
	FC_RX_FAILED = -2, // the source broke; it has said why in the events
};

// Which frames a source filters itself. The rx worker filters the others.
enum {
	FC_FILTERS_NONE,
	FC_FILTERS_ALL,
	FC_FILTERS_UNTAGGED, // all but those with a VLAN tag
};

struct fc_source;
struct fc_kernel_filter; // kernel_filter.h

struct fc_source_ops {
	// Capabilities that rx_burst needs, 1 << CAP_...
	uint64_t rx_capabilities;

	// Opens the device or file and all its queues. Control thread. 0 or -errno with fc_error().
	int (*open)(struct fc_source *s, const struct fc_source_config *config);

	// Makes of `filter` (pcap-filter(7), "" for all, already checked) and `snaplen` what the source itself can do
	// of them, for one queue; `before` is what the queue has (NULL: nothing yet). Control thread, also while it
	// runs. 0, and the caller owns *made, which free() frees; or -errno with fc_error(), -EAGAIN: call again later.
	// NULL: the source filters nothing.
	int (*prepare)(struct fc_source *s, const char *filter, uint32_t snaplen, const struct fc_kernel_filter *before,
		struct fc_kernel_filter **made);

	// From here on packets count. `filter`, of prepare(), is borrowed until another one is given. Control thread,
	// before the queue's rx worker starts. 0 or -errno with fc_error().
	int (*start)(struct fc_source *s, uint16_t queue, const struct fc_kernel_filter *filter);

	// Turns to another filter of prepare(), from the next packet on that arrives. The rx worker of the queue. 0,
	// and it is borrowed as in start(); or -errno with fc_error(), and nothing has changed. NULL: as prepare().
	int (*refilter)(struct fc_source *s, uint16_t queue, const struct fc_kernel_filter *filter);

	// Whether rx_burst has given all that had arrived before the last refilter(). The rx worker of the queue. NULL:
	// as prepare().
	bool (*refiltered)(struct fc_source *s, uint16_t queue);

	// Fetches up to `n` packets, with struct fc_packet filled; time_ns may be 0 where the source has no clock of
	// its own (`stamps` is false). The caller owns what it gets. Returns their number, FC_RX_END or FC_RX_FAILED.
	// The rx worker of the queue.
	int (*rx_burst)(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n);

	// The drain has begun: take nothing new in. rx_burst then returns what had arrived before, and FC_RX_END. The
	// rx worker of the queue, once.
	void (*stop_intake)(struct fc_source *s, uint16_t queue);

	// Fills all but `clock`. Any thread, between open and close.
	void (*stats)(struct fc_source *s, struct fc_source_row *row);

	// Adds to the row what was lost on this queue and never came out of rx_burst. False: the source knows only its
	// total; NULL: likewise. Any thread, between open and close; cheap, and never less than the last time.
	bool (*losses)(struct fc_source *s, uint16_t queue, struct fc_source_row *row);

	// Extended statistics that are not 0: fills in at most `max` and returns how many there are. NULL: none.
	// Control thread, between start and close.
	size_t (*xstats)(struct fc_source *s, struct fc_xstat *rows, size_t max);

	// Looks after what changes slowly (link, clocks), about once a second; says what is new in the events. NULL:
	// nothing to look after. Control thread, between start and close.
	void (*watch)(struct fc_source *s);

	// Control thread, after the rx workers have ended; also after a failed open. Frees s->state.
	void (*close)(struct fc_source *s);
};

extern const struct fc_source_ops fc_source_file, fc_source_interface, fc_source_ethdev, fc_source_memory;

struct fc_source {
	const struct fc_source_ops *ops;
	void *state; // of the ops
	char name[FC_SOURCE_NAME_BYTES];
	char clock[48]; // writer: open
	char *exclude;  // owned: pcap-filter(7) of what is never wanted of it; "" for nothing
	uint16_t rx_queues;
	uint32_t snaplen;         // at the start
	bool waits;               // a file, memory: wait for room in the ring instead of dropping
	bool stamps;              // rx_burst fills time_ns
	bool own_time;            // its times have nothing to do with the system clock (those of a file)
	bool jit_filter;          // the rx worker's filter is worth compiling
	struct rte_mempool *pool; // owned
	uint32_t mbufs;           // in the pool
	uint32_t driver_mbufs;    // in the device's queues before the first packet; writer: start
	int numa_node;            // where its packets are kept; writer: open
	struct fc_events *events; // of the pipeline
	bool backoff;
};

// Opens the source and makes its packet pool. 0 or -errno with fc_error(); then nothing is left open. Control thread.
int fc_source_open(struct fc_source *s, const struct fc_source_config *config, struct fc_events *events);

// Closes the source and frees its pool. Returns how many packet buffers were missing from the pool; what a driver took
// for its queues and keeps for good (af_xdp: its fill ring) is not missing.
uint64_t fc_source_close(struct fc_source *s);

// Makes the packet pool on s->numa_node; `open` of the ops calls it as soon as it knows the node. `dma`: a device
// writes into its buffers. 0 or -errno.
int fc_source_pool(struct fc_source *s, bool dma);

#endif
