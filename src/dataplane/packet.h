// What travels with a packet from the source to the producer: an mbuf with a few fields of our own.
#ifndef FC_PACKET_H
#define FC_PACKET_H

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	// The largest frame any source hands over; libpcap's own limit for Ethernet (MAXIMUM_SNAPLEN).
	FC_FRAME_BYTES_MAX = 262144,
};

// Lives in the mbuf's dynamic field area. Written by the rx worker's thread before the packet enters the tx ring, read
// by the tx worker after it has left it; the ring orders the two.
struct fc_packet {
	uint64_t time_ns;         // receive time, Unix epoch
	uint32_t original_bytes;  // length on the wire; mbuf->pkt_len is what is kept of it
	uint32_t create_time_now; // CreateTime is the time of sending, not time_ns (see FC_AHEAD_MAX_NS)
	uint64_t sequence;        // of its rx queue: how many wanted packets came before it, lost ones among them
};

// An mbuf has 32 aligned bytes for all such fields; a device's hardware timestamp takes another 8 of them.
_Static_assert(sizeof(struct fc_packet) <= 24, "no room for a hardware timestamp in an mbuf");

// Offset of struct fc_packet in every mbuf; written once, before any worker starts.
extern int fc_packet_offset;

static inline struct fc_packet *fc_packet(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, fc_packet_offset, struct fc_packet *);
}

// Reserves the field. Control thread, after the EAL has started. 0 or -errno.
int fc_packet_register(void);

// Copies `bytes` bytes into an mbuf, or into a chain of them when one is too small. The caller owns the result. NULL
// when the pool has too few buffers; nothing is kept then.
struct rte_mbuf *fc_packet_copy(struct rte_mempool *pool, const uint8_t *data, uint32_t bytes);

// Cuts the packet to `bytes` and frees the segments behind; false when it was no longer than that.
bool fc_packet_cut(struct rte_mbuf *m, uint32_t bytes);

#endif
