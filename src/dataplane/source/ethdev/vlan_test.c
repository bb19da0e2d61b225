#include "vlan.h"

#include <assert.h>
#include <string.h>

enum { ROOM = 256, HEADROOM = 64, FRAME = 60 };

static uint8_t buffer[ROOM];

static void make(struct rte_mbuf *m, uint16_t headroom, uint16_t length, uint64_t flags)
{
	uint16_t k;

	*m = (struct rte_mbuf){.buf_addr = buffer, .buf_len = ROOM, .data_off = headroom, .nb_segs = 1};
	m->data_len = length;
	m->pkt_len = length;
	m->ol_flags = flags | RTE_MBUF_F_RX_VLAN;
	m->vlan_tci = 0x2064;
	m->vlan_tci_outer = 0x0c8;
	for (k = 0; k < length; k++)
		buffer[headroom + k] = (uint8_t)k;
}

static void expect(const struct rte_mbuf *m, const uint8_t *tags, uint16_t bytes)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t k;

	assert(m->data_len == FRAME + bytes && m->pkt_len == (uint32_t)(FRAME + bytes));
	for (k = 0; k < 12; k++)
		assert(frame[k] == k);
	assert(memcmp(frame + 12, tags, bytes) == 0);
	for (k = 12; k < FRAME; k++)
		assert(frame[bytes + k] == k);
	assert((m->ol_flags & FC_VLAN_STRIPPED) == 0);
}

int main(void)
{
	static const uint8_t one[] = {0x81, 0, 0x20, 0x64}, outer[] = {0x88, 0xa8, 0, 0xc8};
	static const uint8_t both[] = {0x88, 0xa8, 0, 0xc8, 0x81, 0, 0x20, 0x64};
	struct rte_mbuf m;

	make(&m, HEADROOM, FRAME, RTE_MBUF_F_RX_VLAN_STRIPPED);
	assert(fc_vlan_restore(&m));
	expect(&m, one, sizeof one);
	make(&m, HEADROOM, FRAME, RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED);
	assert(fc_vlan_restore(&m));
	expect(&m, both, sizeof both);
	make(&m, HEADROOM, FRAME, RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED);
	assert(fc_vlan_restore(&m));
	expect(&m, outer, sizeof outer);

	// Just enough room in front, and a byte too little: all or nothing.
	make(&m, 8, FRAME, FC_VLAN_STRIPPED);
	assert(fc_vlan_restore(&m));
	expect(&m, both, sizeof both);
	make(&m, 7, FRAME, FC_VLAN_STRIPPED);
	assert(!fc_vlan_restore(&m));
	assert(m.data_len == FRAME && m.data_off == 7);
	// Shorter than two addresses: nothing to put a tag behind.
	make(&m, HEADROOM, 11, FC_VLAN_STRIPPED);
	assert(!fc_vlan_restore(&m));
	assert(m.data_len == 11);
	return 0;
}
