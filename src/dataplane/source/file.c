// Source: a capture file (pcap or pcapng), read by libpcap. Nothing is lost here: the rx worker waits for the ring.
//
// With several queues each one reads the whole file for itself and keeps the frames whose flow hash is its own: no
// locks, no hand-over, and the order of the file in each queue. What it costs is a second reading of memory that the
// first one has just brought in.
#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "../clock.h"
#include "../error.h"
#include "../flow/flow_hash.h"
#include "../packet.h"
#include "../stats/counter.h"
#include "source.h"

// Frames of other queues that are read over in one fetch: a worker looks at its stop in between.
enum { SKIPPED_MAX = 65536 };

struct queue {
	// All but `in`: its rx worker, once it has started.
	pcap_t *pcap;
	int ended; // FC_RX_END or FC_RX_FAILED once there is nothing more to read
	// The frame that was read when no packet buffer was free; libpcap keeps its bytes until the next read.
	struct pcap_pkthdr *pending;
	const u_char *pending_bytes;
	uint64_t in; // writer: rx worker; readers: any
} __rte_cache_aligned;

struct file {
	bool now;             // stamp with the current time
	struct queue *queues; // owned, s->rx_queues of them
};

// The format has unsigned 32-bit seconds (draft-ietf-opsawg-pcap, section 4); libpcap 1.10 sign-extends them, so that
// frames after January 2038 come out before 1970. Damaged files have any number as a fraction; before 1970 becomes
// 1970.
static uint64_t frame_time_ns(const struct timeval *t)
{
	int64_t seconds = t->tv_sec;
	int64_t fraction_ns = t->tv_usec; // PCAP_TSTAMP_PRECISION_NANO

	if (seconds < 0 && seconds >= INT32_MIN)
		seconds += INT64_C(1) << 32;
	if (seconds < 0 || seconds > INT64_MAX / FC_NS_PER_S / 2 || llabs(fraction_ns) > INT64_MAX / 4)
		return 0;
	seconds = seconds * FC_NS_PER_S + fraction_ns;
	return seconds < 0 ? 0 : (uint64_t)seconds;
}

static int open_queue(struct fc_source *s, struct queue *q)
{
	char text[PCAP_ERRBUF_SIZE];
	int link_type;

	q->pcap = pcap_open_offline_with_tstamp_precision(s->name, PCAP_TSTAMP_PRECISION_NANO, text);
	if (q->pcap == NULL)
		return fc_error(EIO, "cannot read %s: %s", s->name, text);
	link_type = pcap_datalink(q->pcap);
	if (link_type != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(link_type);

		return fc_error(EPROTONOSUPPORT, "%s: link type is %s (%d), only Ethernet (EN10MB) can be sent",
			s->name, name != NULL ? name : "unknown", link_type);
	}
	return 0;
}

static int file_open(struct fc_source *s, const struct fc_source_config *config)
{
	struct file *f;
	uint16_t queue;
	int error = 0;

	f = s->state = calloc(1, sizeof *f);
	if (f == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	f->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, s->rx_queues * sizeof *f->queues);
	if (f->queues == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	memset(f->queues, 0, s->rx_queues * sizeof *f->queues);
	for (queue = 0; error == 0 && queue < s->rx_queues; queue++)
		error = open_queue(s, &f->queues[queue]);
	if (error != 0)
		return error;
	f->now = config->timestamps_now;
	s->waits = true;
	s->stamps = true;
	s->own_time = !f->now;
	strcpy(s->clock, f->now ? "system clock at reading" : "the file's own timestamps");
	return fc_source_pool(s, false);
}

static int file_start(struct fc_source *s, uint16_t queue, const struct fc_kernel_filter *filter)
{
	(void)s;
	(void)queue;
	(void)filter;
	return 0;
}

// What went wrong is the same for all queues: one of them says it.
static void say_why(struct fc_source *s, uint16_t queue, int got, uint32_t bytes)
{
	if (queue > 0)
		return;
	if (got == 1)
		fc_event(s->events, LOG_ERR, "%s: a frame of %u bytes, larger than any link has", s->name, bytes);
	else
		fc_event(s->events, LOG_ERR, "%s: %s", s->name, pcap_geterr(((struct file *)s->state)->queues->pcap));
}

static bool is_mine(const struct fc_source *s, uint16_t queue, const struct queue *q)
{
	return s->rx_queues == 1 || fc_flow_hash(q->pending_bytes, q->pending->caplen) % s->rx_queues == queue;
}

// Makes the queue's next frame pending; false when there is none, or (q->ended is 0) not within reach of this fetch.
static bool read_frame(struct fc_source *s, uint16_t queue, struct queue *q)
{
	unsigned skipped = 0;
	int got;

	if (q->pending != NULL)
		return true;
	if (q->ended != 0)
		return false;
	while ((got = pcap_next_ex(q->pcap, &q->pending, &q->pending_bytes)) == 1 &&
		q->pending->caplen <= FC_FRAME_BYTES_MAX) {
		if (is_mine(s, queue, q))
			return true;
		if (++skipped == SKIPPED_MAX) {
			q->pending = NULL;
			return false;
		}
	}
	if (got != PCAP_ERROR_BREAK)
		say_why(s, queue, got, got == 1 ? q->pending->caplen : 0);
	q->pending = NULL;
	q->ended = got == PCAP_ERROR_BREAK ? FC_RX_END : FC_RX_FAILED;
	return false;
}

static int file_rx_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	struct file *f = s->state;
	struct queue *q = &f->queues[queue];
	int count = 0;

	while (count < n && read_frame(s, queue, q)) {
		struct rte_mbuf *m = fc_packet_copy(s->pool, q->pending_bytes, q->pending->caplen);
		struct fc_packet *packet;

		if (m == NULL)
			break; // the pool is empty until Kafka has taken some: come back
		packet = fc_packet(m);
		packet->time_ns = f->now ? fc_now_ns() : frame_time_ns(&q->pending->ts);
		packet->original_bytes = q->pending->len;
		packets[count++] = m;
		q->pending = NULL;
	}
	fc_counter_add(&q->in, (uint64_t)count);
	return count > 0 ? count : q->ended;
}

static void file_stop_intake(struct fc_source *s, uint16_t queue)
{
	struct queue *q = &((struct file *)s->state)->queues[queue];

	q->pending = NULL; // read, not yet counted: the file still has it
	q->ended = FC_RX_END;
}

static void file_stats(struct fc_source *s, struct fc_source_row *row)
{
	const struct file *f = s->state;
	uint16_t queue;

	*row = (struct fc_source_row){0};
	for (queue = 0; queue < s->rx_queues; queue++)
		row->in += fc_counter_read(&f->queues[queue].in);
}

// Nothing is ever lost here, which is known.
static bool file_losses(struct fc_source *s, uint16_t queue, struct fc_source_row *row)
{
	(void)s;
	(void)queue;
	(void)row;
	return true;
}

static void file_close(struct fc_source *s)
{
	struct file *f = s->state;
	uint16_t queue;

	if (f == NULL)
		return;
	for (queue = 0; f->queues != NULL && queue < s->rx_queues; queue++)
		if (f->queues[queue].pcap != NULL)
			pcap_close(f->queues[queue].pcap);
	free(f->queues);
	free(f);
}

const struct fc_source_ops fc_source_file = {
	.open = file_open,
	.start = file_start,
	.rx_burst = file_rx_burst,
	.stop_intake = file_stop_intake,
	.stats = file_stats,
	.losses = file_losses,
	.close = file_close,
};
