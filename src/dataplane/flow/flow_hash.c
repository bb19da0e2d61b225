#include "flow_hash.h"

#include <stdbool.h>
#include <string.h>

enum {
	MAC_BYTES = 6,
	ETHERNET_BYTES = 14,
	VLAN_BYTES = 4,
	VLAN_TAGS_MAX = 2,
	IPV4_BYTES_MIN = 20,
	IPV6_BYTES = 40,
	IPV6_EXTENSIONS_MAX = 8, // no real packet has more; a made-up one must not keep us
	PORTS_BYTES = 4,
};

enum { ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_VLAN = 0x8100, ETHERTYPE_IPV6 = 0x86DD, ETHERTYPE_QINQ = 0x88A8 };

// IANA's protocol numbers; those below 60 that are extension headers: RFC 7045, section 4.
enum {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_DCCP = 33,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_AUTHENTICATION = 51,
	PROTOCOL_DESTINATION = 60,
	PROTOCOL_SCTP = 132,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_UDP_LITE = 136,
};

// What is left to look at.
struct view {
	const uint8_t *at;
	uint32_t bytes;
};

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

// As the machine has them: nobody else sees these numbers.
static uint64_t load32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static uint64_t load64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static bool skip(struct view *v, uint32_t bytes)
{
	if (v->bytes < bytes)
		return false;
	v->at += bytes;
	v->bytes -= bytes;
	return true;
}

// Each bit of the result depends on each bit of `x` (a bijection: the constants of splitmix64).
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

// Adding does not know an order: that is what makes the hash symmetric. An address stays with its port, so that
// A:1 - B:2 and A:2 - B:1 are different flows.
static uint32_t combine(uint64_t one_end, uint64_t other_end, uint32_t kind)
{
	return (uint32_t)(mix(mix(one_end) + mix(other_end) + kind) >> 32);
}

static bool has_ports(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP ||
	       protocol == PROTOCOL_DCCP || protocol == PROTOCOL_UDP_LITE;
}

// The ports that `v` begins with, 0 where there are none.
static void read_ports(struct view v, uint8_t protocol, bool fragment, uint16_t ports[2])
{
	bool known = !fragment && has_ports(protocol) && v.bytes >= PORTS_BYTES;

	ports[0] = known ? read16(v.at) : 0;
	ports[1] = known ? read16(v.at + 2) : 0;
}

// False when it is no IPv4 header.
static bool hash_ipv4(struct view v, uint32_t *hash)
{
	const uint8_t *ip = v.at;
	uint32_t header_bytes;
	uint16_t ports[2];
	bool fragment;

	if (v.bytes < IPV4_BYTES_MIN || ip[0] >> 4 != 4)
		return false;
	header_bytes = (ip[0] & 0x0fu) * 4;
	if (header_bytes < IPV4_BYTES_MIN)
		return false;
	fragment = (read16(ip + 6) & 0x3fff) != 0; // more fragments, or an offset
	if (!skip(&v, header_bytes))
		v.bytes = 0; // cut in its options
	read_ports(v, ip[9], fragment, ports);
	*hash = combine(load32(ip + 12) << 16 | ports[0], load32(ip + 16) << 16 | ports[1], ip[9]);
	return true;
}

// Walks over extension headers to what they carry. Returns its protocol, of fragments PROTOCOL_FRAGMENT: their own next
// header need not be the same in all of them (RFC 8200, section 4.5).
static uint8_t walk_extensions(struct view *v, uint8_t protocol)
{
	unsigned headers;

	for (headers = 0; headers < IPV6_EXTENSIONS_MAX && v->bytes >= 8; headers++) {
		const uint8_t *header = v->at;
		uint32_t bytes;

		switch (protocol) {
		case PROTOCOL_HOP_BY_HOP:
		case PROTOCOL_ROUTING:
		case PROTOCOL_DESTINATION:
		case PROTOCOL_MOBILITY:
			bytes = 8 + header[1] * 8u;
			break;
		case PROTOCOL_AUTHENTICATION:
			bytes = 8 + header[1] * 4u;
			break;
		case PROTOCOL_FRAGMENT:
			if ((read16(header + 2) & 0xfff9) != 0) // all but the reserved bits
				return PROTOCOL_FRAGMENT;
			bytes = 8; // the only fragment of its datagram (RFC 6946)
			break;
		default:
			return protocol;
		}
		protocol = header[0];
		if (!skip(v, bytes))
			v->bytes = 0;
	}
	return protocol;
}

static uint64_t ipv6_end(const uint8_t *address, uint16_t port)
{
	return mix(load64(address) + port) ^ load64(address + 8);
}

// False when it is no IPv6 header.
static bool hash_ipv6(struct view v, uint32_t *hash)
{
	const uint8_t *ip = v.at;
	uint16_t ports[2];
	uint8_t protocol;

	if (v.bytes < IPV6_BYTES || ip[0] >> 4 != 6)
		return false;
	skip(&v, IPV6_BYTES);
	protocol = walk_extensions(&v, ip[6]);
	read_ports(v, protocol, false, ports);
	*hash = combine(ipv6_end(ip + 8, ports[0]), ipv6_end(ip + 24, ports[1]), protocol);
	return true;
}

uint32_t fc_flow_hash(const uint8_t *frame, uint32_t bytes)
{
	struct view v = {frame, bytes};
	uint16_t ethertype;
	unsigned tags;
	uint32_t hash;

	if (!skip(&v, ETHERNET_BYTES))
		return 0;
	ethertype = read16(v.at - 2);
	for (tags = 0; tags < VLAN_TAGS_MAX && (ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ); tags++) {
		if (!skip(&v, VLAN_BYTES))
			break;
		ethertype = read16(v.at - 2);
	}
	if (ethertype == ETHERTYPE_IPV4 && hash_ipv4(v, &hash))
		return hash;
	if (ethertype == ETHERTYPE_IPV6 && hash_ipv6(v, &hash))
		return hash;
	return combine(load32(frame) << 16 | read16(frame + 4),
		load32(frame + MAC_BYTES) << 16 | read16(frame + MAC_BYTES + 4), ethertype);
}
