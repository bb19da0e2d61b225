// Compares DPDK's compiled filters with libpcap's interpreter: the same answer for every packet, however it is spread
// over segments, and what each costs.
//
//     filter_jit_check CAPTURE ROUNDS EXPRESSION...
//
// For each expression: one line "compiled|interpreted matched unmatched native_ns interpreted_ns expression". Ends with
// 1 and the packet in hexadecimal at the first difference. Test-driver for tests/dataplane and bench/, not installed.
#include <pcap/pcap.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "dataplane.h"
#include "error.h"
#include "packet.h"
#include "rx/filter.h"

enum { FRAMES_MAX = 4096, POOL = 8191, BENCH_ROUNDS = 200 };

struct frame {
	uint8_t *bytes;
	uint32_t length;
};

static struct frame frames[FRAMES_MAX];
static unsigned frame_count;
static struct rte_mempool *pool;

static void read_frames(const char *path)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, text);
	struct pcap_pkthdr *header;
	const u_char *bytes;

	if (pcap == NULL)
		rte_exit(2, "%s\n", text);
	while (frame_count < FRAMES_MAX && pcap_next_ex(pcap, &header, &bytes) == 1) {
		frames[frame_count].bytes = memcpy(malloc(header->caplen + 1u), bytes, header->caplen);
		frames[frame_count++].length = header->caplen;
	}
	pcap_close(pcap);
}

// The bytes in one segment, or cut into pieces at random places, some of them empty.
static struct rte_mbuf *make_packet(const uint8_t *bytes, uint32_t length, bool split)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(pool), *last = first;
	uint32_t left = length;

	for (;;) {
		uint32_t most = RTE_MIN(left, (uint32_t)rte_pktmbuf_tailroom(last));
		uint32_t part = split && most > 0 ? (uint32_t)rand() % (RTE_MIN(most, 40u) + 1) : most;

		memcpy(rte_pktmbuf_mtod(last, void *), bytes, part);
		last->data_len = (uint16_t)part;
		bytes += part;
		left -= part;
		if (left == 0)
			break;
		last->next = rte_pktmbuf_alloc(pool);
		last = last->next;
		first->nb_segs++;
	}
	first->pkt_len = length;
	fc_packet(first)->original_bytes = length;
	return first;
}

static void check(struct fc_filter *f, const uint8_t *bytes, uint32_t length, bool split, unsigned long *matched)
{
	struct rte_mbuf *m = make_packet(bytes, length, split);
	bool expected = bpf_filter(f->program.bf_insns, bytes, length, length) != 0;
	uint32_t k;

	if (fc_filter_matches(f, m) != expected) {
		fprintf(stderr, "libpcap says %d, %u bytes in %u segments:", expected, length, m->nb_segs);
		for (k = 0; k < length; k++)
			fprintf(stderr, "%02x", bytes[k]);
		fprintf(stderr, "\n");
		exit(1);
	}
	matched[expected]++;
	rte_pktmbuf_free(m);
}

// The frames as they are, and with bytes changed and ends cut off at random.
static void compare(struct fc_filter *f, int rounds, unsigned long *matched)
{
	uint8_t *changed = malloc(FC_FRAME_BYTES_MAX);
	unsigned k;
	int round, change;

	for (k = 0; k < frame_count; k++) {
		check(f, frames[k].bytes, frames[k].length, false, matched);
		for (round = 0; round < rounds && frames[k].length <= 2048; round++) {
			uint32_t length = frames[k].length;

			memcpy(changed, frames[k].bytes, length);
			for (change = rand() % 4; change > 0 && length > 0; change--)
				changed[(uint32_t)rand() % RTE_MIN(length, 80u)] = (uint8_t)rand();
			if (rand() % 4 == 0)
				length = (uint32_t)rand() % (length + 1);
			check(f, changed, length, true, matched);
		}
	}
	free(changed);
}

static double cost_ns(struct fc_filter *f, struct rte_mbuf **packets, unsigned count)
{
	static volatile unsigned sink;
	int64_t begin = fc_monotonic_ns();
	unsigned round, k;

	for (round = 0; round < BENCH_ROUNDS; round++)
		for (k = 0; k < count; k++)
			sink += fc_filter_matches(f, packets[k]);
	return (double)(fc_monotonic_ns() - begin) / (BENCH_ROUNDS * (double)count);
}

static void bench(struct fc_filter *f, double *native_ns, double *interpreted_ns)
{
	struct rte_mbuf *packets[FRAMES_MAX];
	struct fc_filter interpreted = *f;
	unsigned count = 0, k;

	interpreted.native.func = NULL;
	for (k = 0; k < frame_count && count < 64; k++)
		if (frames[k].length <= 2048)
			packets[count++] = make_packet(frames[k].bytes, frames[k].length, false);
	*native_ns = cost_ns(f, packets, count);
	*interpreted_ns = cost_ns(&interpreted, packets, count);
	rte_pktmbuf_free_bulk(packets, count);
}

int main(int argc, char **argv)
{
	char *eal[] = {
		argv[0], "--no-huge", "-m", "128", "--no-pci", "--no-shconf", "--no-telemetry", "--log-level=critical"};
	int k;

	if (argc < 4 || rte_eal_init(RTE_DIM(eal), eal) < 0 || fc_packet_register() != 0)
		return 2;
	pool = rte_pktmbuf_pool_create("packets", POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (pool == NULL)
		rte_exit(2, "no packet buffers: %s\n", rte_strerror(rte_errno));
	read_frames(argv[1]);
	srand(20);
	for (k = 3; k < argc; k++) {
		unsigned long matched[2] = {0, 0};
		double native_ns, interpreted_ns;
		struct fc_filter f;
		bool compiled;

		if (fc_filter_open(&f, argv[k]) != 0)
			rte_exit(2, "%s: %s\n", argv[k], fc_last_error());
		compiled = fc_filter_compile(&f) == 0;
		if (!compiled)
			fprintf(stderr, "%s: %s\n", argv[k], fc_last_error());
		compare(&f, atoi(argv[2]), matched);
		bench(&f, &native_ns, &interpreted_ns);
		printf("%s %lu %lu %.1f %.1f %s\n", compiled ? "compiled" : "interpreted", matched[1], matched[0],
			native_ns, interpreted_ns, argv[k]);
		fc_filter_close(&f);
	}
	if (rte_mempool_avail_count(pool) != POOL)
		rte_exit(2, "packet buffers are missing\n");
	return 0;
}
