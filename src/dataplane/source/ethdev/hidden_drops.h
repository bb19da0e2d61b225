// Drops that the kernel counts behind a virtual device and that its driver in DPDK 22.11 does not pass on.
//
// The sockets are the driver's. They are found by what they are: those of the right family that were not there before
// the driver made its queues, in the order in which it made them.
#ifndef FC_HIDDEN_DROPS_H
#define FC_HIDDEN_DROPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "drivers.h"

enum { FC_HIDDEN_SOCKETS_MAX = 64 };

struct fc_hidden_drops {
	enum fc_hidden_kind kind;
	int others[FC_HIDDEN_SOCKETS_MAX]; // sockets of such families that were there before
	unsigned other_count;
	int sockets[FC_HIDDEN_SOCKETS_MAX]; // one per queue; borrowed from the driver, valid until it closes the device
	unsigned count;
	unsigned if_index; // of a tap interface

	// Since the start, per queue (of a tap interface: [0] is for all). Writers and readers: any.
	_Atomic uint64_t drops[FC_HIDDEN_SOCKETS_MAX];
	uint64_t before[FC_HIDDEN_SOCKETS_MAX]; // writer: start
};

// Remembers which sockets are there already; before the device is probed. Control thread, as the next two.
void fc_hidden_open(struct fc_hidden_drops *h);

// Adds the sockets that have come since; call it after the device is probed and after each queue is set up.
void fc_hidden_collect(struct fc_hidden_drops *h, enum fc_hidden_kind kind);

// From here on drops are ours. `if_index` is the interface behind the device.
void fc_hidden_start(struct fc_hidden_drops *h, unsigned if_index);

// Drops since the start, that the driver does not report: of all queues together. Any thread, until the device closes.
uint64_t fc_hidden_read(struct fc_hidden_drops *h);

// The same of one queue, as of the last fc_hidden_read(); 0 when the kernel does not count per queue. Any thread.
uint64_t fc_hidden_queue(struct fc_hidden_drops *h, uint16_t queue);

#endif
