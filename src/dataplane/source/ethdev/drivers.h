// What is true of a driver and what ethdev has no question for.
#ifndef FC_DRIVERS_H
#define FC_DRIVERS_H

#include <stdbool.h>
#include <stdint.h>

enum fc_hidden_kind {
	FC_HIDDEN_NONE,   // the driver reports its drops, or has none
	FC_HIDDEN_XDP,    // AF_XDP sockets: the driver leaves out what did not fit into the ring
	FC_HIDDEN_PACKET, // AF_PACKET sockets: the driver reports none
	FC_HIDDEN_TAP,    // a tap interface: what the kernel could not hand over is in the interface's tx_dropped
};

struct fc_driver {
	const char *name;
	const char *spread;   // how packets come to its queues, when RSS of the device has no part in it; or NULL
	const char *queues;   // what in the devargs sets the number of queues; NULL: the device has what it has
	bool no_mbuf_is_loss; // a packet is lost when there is no buffer for it, and not only fetched later
	bool no_addresses;    // it filters no addresses: promiscuous mode means nothing to it
	bool longer_frames;   // frames beyond the limit that it names come too
	enum fc_hidden_kind hidden;
	const char *frame_bytes_arg; // of the devargs: frames this long, written into one buffer without a check
	uint32_t frame_bytes;        // without that argument
};

// The entry of a driver's name (as in rte_eth_dev_info); one that says nothing when the driver is not known.
const struct fc_driver *fc_driver_find(const char *name);

// The length of frames that a driver copies into one packet buffer unchecked, by its devargs; 0: it checks.
uint32_t fc_driver_frame_bytes(const struct fc_driver *driver, const char *devargs);

#endif
