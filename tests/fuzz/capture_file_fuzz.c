// Any bytes as a capture file: what the source hands over is what libpcap reads, frame by frame, on one queue and on
// three; and all packet buffers come back.
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flow/flow_hash.h"
#include "source/source.h"

#include "eal.h"
#include "expect.h"

enum { QUEUES_MAX = 3, BUFFERS = 511, BURST = 3 };

static struct fc_events events;

// The sources' common part is not linked: a pool for each input would take longer than the input.
int fc_source_pool(struct fc_source *s, bool dma)
{
	(void)dma;
	s->pool = pool;
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	start_eal(BUFFERS);
	fc_events_init(&events);
	return 0;
}

static void same(const struct rte_mbuf *m, const struct pcap_pkthdr *header, const u_char *bytes)
{
	uint8_t *frame = malloc(m->pkt_len + 1u);
	const void *read;

	expect(frame != NULL && m->pkt_len == header->caplen);
	expect(fc_packet((struct rte_mbuf *)m)->original_bytes == header->len);
	read = rte_pktmbuf_read(m, 0, m->pkt_len, frame);
	expect(m->pkt_len == 0 || (read != NULL && memcmp(read, bytes, m->pkt_len) == 0));
	free(frame);
}

// One queue to its end, beside libpcap. Returns the number of frames.
static unsigned long read_queue(struct fc_source *s, uint16_t queue)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(s->name, PCAP_TSTAMP_PRECISION_NANO, text);
	struct rte_mbuf *packets[BURST];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	unsigned long frames = 0;
	int got, k;

	expect(pcap != NULL);
	while ((got = s->ops->rx_burst(s, queue, packets, BURST)) >= 0) {
		for (k = 0; k < got; k++) {
			do
				expect(pcap_next_ex(pcap, &header, &bytes) == 1);
			while (fc_flow_hash(bytes, header->caplen) % s->rx_queues != queue);
			same(packets[k], header, bytes);
			frames++;
		}
		rte_pktmbuf_free_bulk(packets, (unsigned)got);
	}
	expect(got == FC_RX_END || got == FC_RX_FAILED);
	expect(s->ops->rx_burst(s, queue, packets, BURST) == got); // for good
	// What the source has left out is not there.
	while (pcap_next_ex(pcap, &header, &bytes) == 1 && header->caplen <= FC_FRAME_BYTES_MAX)
		expect(fc_flow_hash(bytes, header->caplen) % s->rx_queues != queue);
	pcap_close(pcap);
	return frames;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fc_source_config config = {.timestamps_now = false};
	struct fc_source s = {.ops = &fc_source_file, .events = &events};
	int fd = memfd_create("capture", 0);
	char line[FC_EVENT_BYTES];
	struct fc_source_row row;
	unsigned long frames = 0;
	uint16_t queue;

	expect(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(s.name, sizeof s.name, "/proc/self/fd/%d", fd);
	s.rx_queues = size % 2 == 0 ? 1 : QUEUES_MAX;
	if (s.ops->open(&s, &config) == 0) {
		for (queue = 0; queue < s.rx_queues; queue++)
			frames += read_queue(&s, queue);
		s.ops->stats(&s, &row);
		expect(row.in == frames);
	}
	s.ops->close(&s);
	close(fd);
	while (fc_events_take(&events, line, sizeof line) >= 0)
		;
	expect(rte_mempool_avail_count(pool) == BUFFERS);
	return 0;
}
