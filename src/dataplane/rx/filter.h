// A compiled packet filter, pcap-filter(7), run by libpcap's interpreter or as native code by DPDK's BPF compiler.
#ifndef FC_FILTER_H
#define FC_FILTER_H

#include <pcap/pcap.h>
#include <rte_bpf.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "../packet.h"

enum { FC_FILTER_BYTES_MAX = 65536 };

struct fc_filter {
	struct bpf_program program; // owned
	bool all;                   // the empty expression: no program
	uint8_t *scratch;           // FC_FRAME_BYTES_MAX, for frames in several segments; owned
	struct rte_bpf *compiled;   // owned; NULL: the interpreter runs it
	struct rte_bpf_jit native;
};

// Compiles `expression` for Ethernet. Any thread. 0 or -errno with fc_error(); then there is nothing to close.
int fc_filter_open(struct fc_filter *f, const char *expression);
void fc_filter_close(struct fc_filter *f);

// Makes native code of it, which reads packets in several segments in place. Needs the EAL; control thread. 0, or
// -errno with fc_error(): the interpreter goes on.
int fc_filter_compile(struct fc_filter *f);

// Whether it asks for what only the kernel knows of a packet (inbound, outbound): it would match nothing here.
bool fc_filter_needs_kernel(const struct fc_filter *f);

// `wanted`, and not `excluded`: either may be empty. The caller frees it. NULL: no memory.
char *fc_filter_join(const char *wanted, const char *excluded);

// One thread per filter at a time (it owns the scratch).
static inline bool fc_filter_matches(struct fc_filter *f, struct rte_mbuf *m)
{
	const uint8_t *bytes;

	if (f->all)
		return true;
	if (f->native.func != NULL)
		return f->native.func(m) != 0;
	bytes = rte_pktmbuf_read(m, 0, m->pkt_len, f->scratch); // no copy when it is one segment
	return bytes != NULL && bpf_filter(f->program.bf_insns, bytes, fc_packet(m)->original_bytes, m->pkt_len) != 0;
}

#endif
