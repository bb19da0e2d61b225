// VLAN tags that a driver took out of the bytes are put back: a frame leaves us as it was on the wire.
#ifndef FC_VLAN_H
#define FC_VLAN_H

#include <rte_mbuf.h>
#include <stdbool.h>

#define FC_VLAN_STRIPPED (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)

// Puts the tag, or the two tags, of the mbuf's vlan_tci fields into its bytes. The driver does not keep the tags'
// EtherTypes: an inner or only tag gets 0x8100 (IEEE 802.1Q), an outer one 0x88a8 (IEEE 802.1ad). False when the buffer
// has no room in front; the packet is then as it was. The rx worker that owns the packet.
bool fc_vlan_restore(struct rte_mbuf *m);

#endif
