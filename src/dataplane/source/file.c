// Source: a capture file (pcap or pcapng), read by libpcap. Nothing is lost here: the rx worker waits for the ring.
#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "../clock.h"
#include "../error.h"
#include "../packet.h"
#include "../stats/counter.h"
#include "source.h"

struct file {
	pcap_t *pcap;
	bool now;  // stamp with the current time
	int ended; // FC_RX_END or FC_RX_FAILED once there is nothing more to read
	// The frame that was read when no packet buffer was free; libpcap keeps its bytes until the next read.
	struct pcap_pkthdr *pending;
	const u_char *pending_bytes;
	uint64_t in; // writer: rx worker; readers: any
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

static int file_open(struct fc_source *s, const struct fc_source_config *config)
{
	char text[PCAP_ERRBUF_SIZE];
	struct file *f;
	int link_type;

	if (config->rx_queues != 1)
		return fc_error(EINVAL, "%s: a capture file has one queue, not %u", s->name, config->rx_queues);
	f = s->state = calloc(1, sizeof *f);
	if (f == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	f->pcap = pcap_open_offline_with_tstamp_precision(s->name, PCAP_TSTAMP_PRECISION_NANO, text);
	if (f->pcap == NULL)
		return fc_error(EIO, "cannot read %s: %s", s->name, text);
	link_type = pcap_datalink(f->pcap);
	if (link_type != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(link_type);

		return fc_error(EPROTONOSUPPORT, "%s: link type is %s (%d), only Ethernet (EN10MB) can be sent",
			s->name, name != NULL ? name : "unknown", link_type);
	}
	f->now = config->timestamps_now;
	s->waits = true;
	s->stamps = true;
	strcpy(s->clock, f->now ? "system clock at reading" : "the file's own timestamps");
	return fc_source_pool(s);
}

static int file_start(struct fc_source *s, uint16_t queue, const char *filter)
{
	(void)s;
	(void)queue;
	(void)filter;
	return 0;
}

// Makes the next frame pending; false when there is none, and f->ended says why.
static bool read_frame(struct fc_source *s, struct file *f)
{
	int got;

	if (f->pending != NULL)
		return true;
	if (f->ended != 0)
		return false;
	got = pcap_next_ex(f->pcap, &f->pending, &f->pending_bytes);
	if (got == 1 && f->pending->caplen <= FC_FRAME_BYTES_MAX)
		return true;
	if (got == 1)
		fc_event(s->events, LOG_ERR, "%s: a frame of %u bytes, larger than any link has", s->name,
			f->pending->caplen);
	else if (got != PCAP_ERROR_BREAK)
		fc_event(s->events, LOG_ERR, "%s: %s", s->name, pcap_geterr(f->pcap));
	f->pending = NULL;
	f->ended = got == PCAP_ERROR_BREAK ? FC_RX_END : FC_RX_FAILED;
	return false;
}

static int file_rx_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	struct file *f = s->state;
	int count = 0;

	(void)queue;
	while (count < n && read_frame(s, f)) {
		struct rte_mbuf *m = fc_packet_copy(s->pool, f->pending_bytes, f->pending->caplen);
		struct fc_packet *packet;

		if (m == NULL)
			break; // the pool is empty until Kafka has taken some: come back
		packet = fc_packet(m);
		packet->time_ns = f->now ? fc_now_ns() : frame_time_ns(&f->pending->ts);
		packet->original_bytes = f->pending->len;
		packets[count++] = m;
		f->pending = NULL;
	}
	fc_counter_add(&f->in, (uint64_t)count);
	return count > 0 ? count : f->ended;
}

static void file_stop_intake(struct fc_source *s, uint16_t queue)
{
	struct file *f = s->state;

	(void)queue;
	f->pending = NULL; // read, not yet counted: the file still has it
	f->ended = FC_RX_END;
}

static void file_stats(struct fc_source *s, struct fc_source_row *row)
{
	struct file *f = s->state;

	*row = (struct fc_source_row){.in = fc_counter_read(&f->in)};
}

static void file_close(struct fc_source *s)
{
	struct file *f = s->state;

	if (f == NULL)
		return;
	if (f->pcap != NULL)
		pcap_close(f->pcap);
	free(f);
}

const struct fc_source_ops fc_source_file = {
	.open = file_open,
	.start = file_start,
	.rx_burst = file_rx_burst,
	.stop_intake = file_stop_intake,
	.stats = file_stats,
	.close = file_close,
};
