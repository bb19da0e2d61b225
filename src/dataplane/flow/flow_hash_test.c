#include "flow_hash.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TCP = 6, UDP = 17, ESP = 50, IPV4 = 0x0800, IPV6 = 0x86DD, FRAME_BYTES_MAX = 512 };

struct frame {
	uint8_t data[FRAME_BYTES_MAX];
	uint32_t bytes;
};

static void put(struct frame *f, const void *data, uint32_t bytes)
{
	assert(f->bytes + bytes <= FRAME_BYTES_MAX);
	if (bytes > 0) // nothing may come from NULL
		memcpy(f->data + f->bytes, data, bytes);
	f->bytes += bytes;
}

static void put16(struct frame *f, unsigned value)
{
	put(f, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put32(struct frame *f, uint32_t value)
{
	put16(f, value >> 16);
	put16(f, value & 0xffff);
}

static struct frame ethernet(bool back)
{
	static const uint8_t a[6] = {2, 0, 0, 0, 0, 1}, b[6] = {2, 0, 0, 0, 0, 2};
	struct frame f = {.bytes = 0};

	put(&f, back ? b : a, 6);
	put(&f, back ? a : b, 6);
	return f;
}

// One end of a conversation.
struct end {
	uint32_t address; // of IPv6: the last four bytes
	uint16_t port;
};

static void put_ipv4(struct frame *f, uint8_t protocol, struct end from, struct end to, unsigned fragment,
	unsigned option_bytes, bool ports)
{
	unsigned k;

	put16(f, 0x4000 | (5 + option_bytes / 4) << 8);
	put16(f, 48); // lengths and identification are not looked at
	put16(f, 7);
	put16(f, fragment);
	put16(f, 64 << 8 | protocol);
	put16(f, 0);
	put32(f, from.address);
	put32(f, to.address);
	for (k = 0; k < option_bytes; k++)
		put(f, "\1", 1);
	put16(f, ports ? from.port : 0xabcd);
	put16(f, ports ? to.port : 0x1234);
	put(f, "payload", 7);
}

static struct frame ipv4(uint8_t protocol, struct end from, struct end to)
{
	struct frame f = ethernet(from.address > to.address);

	put16(&f, IPV4);
	put_ipv4(&f, protocol, from, to, 0x4000, 0, true); // do not fragment
	return f;
}

static struct frame ipv6(uint8_t next, struct end from, struct end to, const uint8_t *extensions, uint32_t bytes)
{
	static const uint8_t network[12] = {0x20, 1, 0xd, 0xb8};
	struct frame f = ethernet(from.address > to.address);

	put16(&f, IPV6);
	put32(&f, 6u << 28);
	put16(&f, 16);
	put16(&f, (unsigned)next << 8 | 64);
	put(&f, network, 12);
	put32(&f, from.address);
	put(&f, network, 12);
	put32(&f, to.address);
	put(&f, extensions, bytes);
	put16(&f, from.port);
	put16(&f, to.port);
	put(&f, "payload", 7);
	return f;
}

// From memory of exactly its length: the sanitizer sees each byte that is read behind it.
static uint32_t hash_cut(const struct frame *f, uint32_t bytes)
{
	uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
	uint32_t hash;

	assert(copy != NULL);
	memcpy(copy, f->data, bytes);
	hash = fc_flow_hash(copy, bytes);
	free(copy);
	return hash;
}

static uint32_t hash(struct frame f)
{
	return hash_cut(&f, f.bytes);
}

static const struct end client = {0x0a000001, 40000}, server = {0x0a000002, 443};

static void test_both_directions_are_one_flow_and_others_are_not(void)
{
	struct end client2 = {client.address, client.port + 1};
	struct end crossed_client = {client.address, server.port}, crossed_server = {server.address, client.port};

	assert(hash(ipv4(TCP, client, server)) == hash(ipv4(TCP, server, client)));
	assert(hash(ipv4(TCP, client, server)) != hash(ipv4(UDP, client, server)));
	assert(hash(ipv4(TCP, client, server)) != hash(ipv4(TCP, client2, server)));
	assert(hash(ipv4(TCP, client, server)) != hash(ipv4(TCP, crossed_client, crossed_server)));
	assert(hash(ipv6(TCP, client, server, NULL, 0)) == hash(ipv6(TCP, server, client, NULL, 0)));
	assert(hash(ipv6(TCP, client, server, NULL, 0)) != hash(ipv6(TCP, client2, server, NULL, 0)));
	// ESP has no ports: what stands there differs from packet to packet.
	assert(hash(ipv4(ESP, client, server)) == hash(ipv4(ESP, server, client2)));
}

static void test_tags_do_not_matter(void)
{
	uint32_t plain = hash(ipv4(TCP, client, server));
	struct frame vlan = ethernet(true), qinq = ethernet(true), three = ethernet(true);

	put32(&vlan, 0x81000064);
	put16(&vlan, IPV4);
	put_ipv4(&vlan, TCP, server, client, 0, 0, true);
	assert(hash(vlan) == plain);
	put32(&qinq, 0x88a80064);
	put32(&qinq, 0x81000065);
	put16(&qinq, IPV4);
	put_ipv4(&qinq, TCP, server, client, 0, 0, true);
	assert(hash(qinq) == plain);
	// Behind a third one nobody looks: the hash of the MAC addresses.
	put32(&three, 0x88a80064);
	put32(&three, 0x81000065);
	put32(&three, 0x81000066);
	put16(&three, IPV4);
	put_ipv4(&three, TCP, server, client, 0, 0, true);
	assert(hash(three) != plain);
}

static void test_options_are_skipped(void)
{
	struct frame f = ethernet(false);

	put16(&f, IPV4);
	put_ipv4(&f, UDP, client, server, 0, 40, true);
	assert(hash(f) == hash(ipv4(UDP, server, client)));
}

static void test_all_fragments_of_a_datagram_have_one_hash(void)
{
	// First: more fragments; then one in the middle, and the last. Only the first has ports.
	static const unsigned fields[] = {0x2000, 0x2000 | 185, 370};
	uint32_t first = 0;
	unsigned k;

	for (k = 0; k < 3; k++) {
		struct frame f = ethernet(false);

		put16(&f, IPV4);
		put_ipv4(&f, UDP, client, server, fields[k], 0, k == 0);
		if (k == 0)
			first = hash(f);
		assert(hash(f) == first);
	}
	// IPv6: fragment header with next header, offset and more-flag.
	{
		const uint8_t one[8] = {UDP, 0, 0, 1, 0, 0, 0, 9}, two[8] = {UDP, 0, 5, 0xc1, 0, 0, 0, 9},
			      last[8] = {60, 0, 0x10, 0, 0, 0, 0, 9}, whole[8] = {UDP, 0, 0, 0, 0, 0, 0, 9};
		struct end other = {client.address, 1};

		assert(hash(ipv6(44, client, server, one, 8)) == hash(ipv6(44, other, server, two, 8)));
		assert(hash(ipv6(44, client, server, one, 8)) == hash(ipv6(44, server, other, last, 8)));
		assert(hash(ipv6(44, client, server, whole, 8)) == hash(ipv6(UDP, client, server, NULL, 0)));
	}
}

static void test_extension_headers_are_skipped(void)
{
	// Hop-by-hop (16 bytes), routing, authentication (12 bytes), destination options, then TCP.
	uint8_t chain[16 + 8 + 12 + 8] = {[0] = 43, [1] = 1, [16] = 51, [24] = 60, [25] = 1, [36] = TCP};
	uint8_t endless[9 * 8] = {0}; // nine hop-by-hop headers

	assert(hash(ipv6(0, client, server, chain, sizeof chain)) == hash(ipv6(TCP, server, client, NULL, 0)));
	endless[64] = TCP;
	assert(hash(ipv6(0, client, server, endless, sizeof endless)) != hash(ipv6(TCP, client, server, NULL, 0)));
	chain[1] = 255; // longer than the frame: no ports, but still both directions
	assert(hash(ipv6(0, client, server, chain, sizeof chain)) ==
		hash(ipv6(0, server, client, chain, sizeof chain)));
}

static void test_anything_else_is_hashed_by_its_mac_addresses(void)
{
	struct frame there = ethernet(false), back = ethernet(true), other = ethernet(false);

	put16(&there, 0x88cc);
	put16(&back, 0x88cc);
	put16(&other, 0x88cd);
	assert(hash(there) == hash(back));
	assert(hash(there) != hash(other));
}

// Every length, of headers that say whatever they say: the sanitizers judge.
static void test_nothing_is_read_behind_the_frame(void)
{
	const uint8_t chain[16] = {60, 0, [8] = 44};
	struct frame frames[] = {
		ipv4(TCP, client, server), ipv6(0, client, server, chain, sizeof chain), ethernet(false)};
	uint32_t state = 1, k, bytes, at;

	put32(&frames[2], 0x88a80064);
	put32(&frames[2], 0x81000065);
	put16(&frames[2], IPV4);
	put_ipv4(&frames[2], UDP, client, server, 0, 40, true);
	for (k = 0; k < 3; k++)
		for (bytes = 0; bytes <= frames[k].bytes; bytes++)
			hash_cut(&frames[k], bytes);
	for (k = 0; k < 20000; k++) {
		struct frame f = frames[k % 3];

		for (at = 0; at < 3; at++) {
			state = state * 1664525 + 1013904223;
			f.data[12 + (state >> 8) % (f.bytes - 12)] = (uint8_t)(state >> 24);
		}
		hash_cut(&f, 12 + (state >> 16) % (f.bytes - 11));
	}
	assert(hash_cut(&frames[0], 13) == 0);
}

// Chi-square: with n buckets it is n - 1 on the average, with a standard deviation of at most 5.5 here.
static void test_flows_spread(void)
{
	static const unsigned counts[] = {2, 3, 4, 16};
	enum { FLOWS = 10000, CHANCE_MAX = 25 };
	unsigned which, variant, k;

	for (which = 0; which < 4; which++)
		for (variant = 0; variant < 3; variant++) {
			unsigned n = counts[which], buckets[16] = {0};
			double expected = (double)FLOWS / n, chi = 0;

			for (k = 0; k < FLOWS; k++) {
				// Neighbouring ports, neighbouring addresses, IPv6.
				struct end one = {variant == 1 ? 0x0a000000 + k : 0x0a000001, 1024};
				struct end other = {0xc0a80001, 80};

				if (variant != 1)
					one.port = (uint16_t)(1024 + k);
				buckets[hash(variant == 2 ? ipv6(TCP, one, other, NULL, 0) : ipv4(TCP, one, other)) %
					n]++;
			}
			for (k = 0; k < n; k++)
				chi += (buckets[k] - expected) * (buckets[k] - expected) / expected;
			assert(chi < n - 1 + CHANCE_MAX);
		}
}

int main(void)
{
	test_both_directions_are_one_flow_and_others_are_not();
	test_tags_do_not_matter();
	test_options_are_skipped();
	test_all_fragments_of_a_datagram_have_one_hash();
	test_extension_headers_are_skipped();
	test_anything_else_is_hashed_by_its_mac_addresses();
	test_nothing_is_read_behind_the_frame();
	test_flows_spread();
	return 0;
}
