// The symmetric hash of a frame's flow: both directions of a conversation have the same one. It spreads a file's frames
// over rx queues, and packets over partitions (`--partition flow`), as a network card's RSS does with a symmetric key.
#ifndef FC_FLOW_HASH_H
#define FC_FLOW_HASH_H

#include <stdint.h>

// Hashes addresses, protocol and ports of IPv4 and IPv6, behind up to two VLAN tags; without the ports for fragments
// and protocols that have none; the MAC addresses and the EtherType of anything else. Reads only `bytes` bytes of
// `frame`, whatever they say. Any thread.
uint32_t fc_flow_hash(const uint8_t *frame, uint32_t bytes);

#endif
