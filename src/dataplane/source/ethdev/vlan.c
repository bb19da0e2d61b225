#include "vlan.h"

#include <rte_ether.h>
#include <string.h>

enum { ADDRESS_BYTES = 2 * RTE_ETHER_ADDR_LEN, TAG_BYTES = sizeof(struct rte_vlan_hdr) };

static bool insert(struct rte_mbuf *m, uint16_t ethertype, uint16_t tci)
{
	uint16_t tag[2] = {rte_cpu_to_be_16(ethertype), rte_cpu_to_be_16(tci)};
	uint8_t *frame;

	if (m->data_len < ADDRESS_BYTES)
		return false;
	frame = (uint8_t *)rte_pktmbuf_prepend(m, TAG_BYTES);
	if (frame == NULL)
		return false;
	memmove(frame, frame + TAG_BYTES, ADDRESS_BYTES);
	memcpy(frame + ADDRESS_BYTES, tag, TAG_BYTES);
	return true;
}

bool fc_vlan_restore(struct rte_mbuf *m)
{
	bool two = (m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) != 0;

	if (two && rte_pktmbuf_headroom(m) < 2 * TAG_BYTES)
		return false;
	// With QinQ alone flagged only the outer tag was taken out (rte_mbuf_core.h).
	if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && !insert(m, RTE_ETHER_TYPE_VLAN, m->vlan_tci))
		return false;
	if (two && !insert(m, RTE_ETHER_TYPE_QINQ, m->vlan_tci_outer))
		return false;
	m->ol_flags &= ~FC_VLAN_STRIPPED;
	return true;
}
