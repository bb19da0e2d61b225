// Source: a kernel interface, through libpcap on AF_PACKET's memory-mapped ring: kernel time in nanoseconds, the filter
// in the kernel, the kernel's own drop counter.
//
// The counters close to the packet because the beginning and the end are sharp: a filter that rejects everything is
// attached to the socket first and again last, and in between every frame that the kernel counts is either read by us
// or counted as dropped by the kernel.
//
// Each queue is a socket with a ring of its own. Several of them are a fan-out group (packet(7), PACKET_FANOUT_HASH):
// the kernel gives each frame to one of them, by a hash of addresses and ports that is the same in both directions and
// leaves the ports out for all fragments of a datagram. Not with PACKET_FANOUT_FLAG_DEFRAG, which hands over
// datagrams where the wire had fragments, nor with a roll-over to another queue, which tears flows apart. A frame whose
// socket rejects it is not counted anywhere, so the sharp beginning and end hold for each socket by itself.
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include "../clock.h"
#include "../error.h"
#include "../packet.h"
#include "../rx/filter.h"
#include "../stats/counter.h"
#include "source.h"

enum {
	// A block of the kernel's ring is handed over when it is full or this old: the latency under light traffic.
	BLOCK_TIMEOUT_MS = 10,
	// How long the last blocks may take to come after intake has stopped.
	QUIET_TIMEOUT_MS = 1000,
	STATS_INTERVAL_MS = 100,
};

struct queue {
	pcap_t *pcap;
	struct fc_source *source;
	int end;              // 0 while intake is open; then what rx_burst returns when all is read; rx worker only
	int64_t deadline_ns;  // of the drain, monotonic
	int64_t stats_due_ns; // monotonic

	// The kernel counted these before start() was done; they are not ours. Writer: rx worker, before the first
	// fetch.
	uint64_t received_before, dropped_before;
	// Of the kernel, 32 bits wide there: extended here by adding differences.
	uint32_t received_last, dropped_last;

	uint64_t frames;                             // libpcap handed over; writer: rx worker
	uint64_t received, dropped, no_mbuf, errors; // writer: rx worker; readers: any

	// Of the fetch under way, for the callback.
	struct rte_mbuf **packets;
	int count;
} __rte_cache_aligned;

struct interface {
	struct queue *queues; // owned, s->rx_queues of them
};

static struct queue *queue_of(const struct fc_source *s, uint16_t queue)
{
	return &((struct interface *)s->state)->queues[queue];
}

static int open_error(struct fc_source *s, pcap_t *pcap, int status)
{
	const char *detail = pcap_geterr(pcap);

	switch (status) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return fc_error(ENODEV, "no such interface: %s (`ip link` lists them)", s->name);
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return fc_error(EPERM, "no permission to capture on %s: run as root or with the capability CAP_NET_RAW",
			s->name);
	case PCAP_ERROR_IFACE_NOT_UP:
		return fc_error(ENETDOWN, "interface %s is down (`ip link set %s up`)", s->name, s->name);
	default:
		return fc_error(EIO, "cannot capture on %s: %s%s%s", s->name, pcap_statustostr(status),
			*detail != '\0' ? ": " : "", detail);
	}
}

static int activate(struct fc_source *s, struct queue *q, const struct fc_source_config *config)
{
	int status;

	pcap_set_snaplen(q->pcap, (int)config->snaplen);
	pcap_set_promisc(q->pcap, config->promiscuous);
	pcap_set_timeout(q->pcap, BLOCK_TIMEOUT_MS);
	pcap_set_buffer_size(q->pcap, (int)config->buffer_bytes);
	pcap_set_tstamp_precision(q->pcap, PCAP_TSTAMP_PRECISION_NANO);
	status = pcap_activate(q->pcap);
	if (status < 0)
		return open_error(s, q->pcap, status);
	if (status > 0)
		fc_event(s->events, LOG_WARNING, "%s: %s: %s", s->name, pcap_statustostr(status), pcap_geterr(q->pcap));
	return 0;
}

// Attached behind libpcap's back: with pcap_setfilter() it would also apply to the frames that are waiting in the ring.
static int reject_all(struct queue *q)
{
	struct sock_filter reject = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog program = {.len = 1, .filter = &reject};

	return setsockopt(pcap_fileno(q->pcap), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

// Reads the kernel's counters. ps_recv is of all frames that passed the filter, the dropped ones among them.
static void read_stats(struct queue *q)
{
	struct pcap_stat stat;

	if (pcap_stats(q->pcap, &stat) != 0)
		return;
	fc_counter_add(&q->received, stat.ps_recv - q->received_last);
	fc_counter_add(&q->dropped, stat.ps_drop - q->dropped_last);
	q->received_last = stat.ps_recv;
	q->dropped_last = stat.ps_drop;
}

static bool all_read(struct queue *q)
{
	read_stats(q);
	return q->frames >= q->received - q->dropped;
}

// Makes the queues' sockets one group. The first one makes the group, with an identifier that nobody else has.
static int join_group(struct fc_source *s, struct queue *q, uint16_t *group)
{
	bool first = q == queue_of(s, 0);
	uint32_t type = PACKET_FANOUT_HASH | (first ? PACKET_FANOUT_FLAG_UNIQUEID : 0);
	uint32_t value = type << 16 | (first ? 0 : *group);
	socklen_t size = sizeof value;
	int fd = pcap_fileno(q->pcap);

	if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof value) != 0 ||
		getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &size) != 0)
		return fc_error(errno, "%s: the kernel does not spread frames over %u rx queues: %s", s->name,
			s->rx_queues, strerror(errno));
	*group = (uint16_t)value;
	return 0;
}

static int open_queue(struct fc_source *s, struct queue *q, const struct fc_source_config *config, uint16_t *group)
{
	char text[PCAP_ERRBUF_SIZE];
	int error, link_type;

	q->source = s;
	q->pcap = pcap_create(s->name, text);
	if (q->pcap == NULL)
		return fc_error(EIO, "cannot capture on %s: %s", s->name, text);
	error = activate(s, q, config);
	if (error != 0)
		return error;
	if (reject_all(q) != 0)
		return fc_error(errno, "%s: cannot attach a filter: %s", s->name, strerror(errno));
	link_type = pcap_datalink(q->pcap);
	if (link_type != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(link_type);

		return fc_error(EPROTONOSUPPORT, "%s: link type is %s (%d), only Ethernet (EN10MB) can be sent",
			s->name, name != NULL ? name : "unknown", link_type);
	}
	if (pcap_setnonblock(q->pcap, 1, text) != 0)
		return fc_error(EIO, "%s: %s", s->name, text);
	return s->rx_queues > 1 ? join_group(s, q, group) : 0;
}

static int interface_open(struct fc_source *s, const struct fc_source_config *config)
{
	struct interface *i;
	uint16_t queue, group = 0;
	int error = 0;

	i = s->state = calloc(1, sizeof *i);
	if (i == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	i->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, s->rx_queues * sizeof *i->queues);
	if (i->queues == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	memset(i->queues, 0, s->rx_queues * sizeof *i->queues);
	for (queue = 0; error == 0 && queue < s->rx_queues; queue++)
		error = open_queue(s, &i->queues[queue], config, &group);
	if (error != 0)
		return error;
	s->stamps = true;
	strcpy(s->clock, "kernel, nanoseconds");
	return fc_source_pool(s);
}

static void discard(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	(void)user;
	(void)header;
	(void)bytes;
}

// The kernel runs the filter. Not through pcap_setfilter(): where the kernel refuses a program (too long), libpcap
// would filter silently in user space, after the kernel has counted the frames.
static bool attach(struct queue *q, const char *expression)
{
	struct bpf_program program;
	bool attached;

	if (pcap_compile(q->pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0)
		return false;
	// struct bpf_insn and struct sock_filter are the same 8 bytes by design.
	attached = program.bf_len <= BPF_MAXINSNS && setsockopt(pcap_fileno(q->pcap), SOL_SOCKET, SO_ATTACH_FILTER,
							     &(struct sock_fprog){.len = (unsigned short)program.bf_len,
								     .filter = (void *)program.bf_insns},
							     sizeof(struct sock_fprog)) == 0;
	pcap_freecode(&program);
	return attached;
}

// Takes out what came in before reject_all(), then lets the wanted traffic in.
static int interface_start(struct fc_source *s, uint16_t queue, const char *filter)
{
	// On loopback the kernel shows each frame twice, and libpcap drops the outgoing one after the kernel counted
	// it.
	const char *one_direction = strcmp(s->name, "lo") == 0 ? "inbound" : "";
	struct queue *q = queue_of(s, queue);
	char *expression;
	bool attached;
	int64_t deadline_ns = fc_monotonic_ns() + QUIET_TIMEOUT_MS * FC_NS_PER_MS;

	while (!all_read(q) && fc_monotonic_ns() < deadline_ns) {
		int got = pcap_dispatch(q->pcap, -1, discard, NULL);

		if (got < 0)
			return fc_error(EIO, "%s: %s", s->name, pcap_geterr(q->pcap));
		q->frames += (uint64_t)got;
		if (got == 0)
			nanosleep(&(struct timespec){.tv_nsec = FC_NS_PER_MS}, NULL);
	}
	q->received_before = q->received;
	q->dropped_before = q->dropped;

	if (asprintf(&expression, "%s%s%s%s", one_direction, *one_direction && *filter ? " and (" : "", filter,
		    *one_direction && *filter ? ")" : "") < 0)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	attached = attach(q, expression);
	free(expression);
	if (attached)
		return 1;
	if (!attach(q, one_direction))
		return fc_error(errno, "%s: cannot attach a filter: %s", s->name, strerror(errno));
	return 0;
}

static void receive(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct queue *q = (struct queue *)user;
	struct rte_mbuf *m;
	struct fc_packet *packet;

	q->frames++;
	m = header->caplen <= FC_FRAME_BYTES_MAX ? fc_packet_copy(q->source->pool, bytes, header->caplen) : NULL;
	if (m == NULL) {
		fc_counter_add(&q->no_mbuf, 1);
		return;
	}
	packet = fc_packet(m);
	packet->time_ns = (uint64_t)(header->ts.tv_sec * FC_NS_PER_S + header->ts.tv_usec);
	packet->original_bytes = header->len;
	q->packets[q->count++] = m;
}

static void interface_stop_intake(struct fc_source *s, uint16_t queue)
{
	struct queue *q = queue_of(s, queue);

	if (reject_all(q) != 0)
		fc_event(s->events, LOG_WARNING, "%s: cannot stop the intake: %s", s->name, strerror(errno));
	q->end = FC_RX_END;
	q->deadline_ns = fc_monotonic_ns() + QUIET_TIMEOUT_MS * FC_NS_PER_MS;
}

static int interface_rx_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	struct queue *q = queue_of(s, queue);
	int64_t now_ns;
	int got;

	q->packets = packets;
	q->count = 0;
	got = pcap_dispatch(q->pcap, n, receive, (u_char *)q);
	if (got < 0) { // the interface is gone; what the kernel still holds of it is ours
		if (q->end != FC_RX_FAILED)
			fc_event(s->events, LOG_ERR, "%s: %s", s->name, pcap_geterr(q->pcap));
		if (q->end == 0)
			interface_stop_intake(s, queue);
		q->end = FC_RX_FAILED;
		got = q->count;
	}
	if (got > 0 && q->count == n)
		return q->count; // under pressure: no clock, no system call
	now_ns = fc_monotonic_ns();
	if (now_ns >= q->stats_due_ns) {
		read_stats(q);
		q->stats_due_ns = now_ns + STATS_INTERVAL_MS * FC_NS_PER_MS;
	}
	if (q->end == 0 || got > 0)
		return q->count;
	if (all_read(q))
		return q->end;
	if (now_ns < q->deadline_ns)
		return 0;
	// The kernel counted frames that it never handed over.
	fc_counter_set(&q->errors, q->received - q->dropped - q->frames);
	return q->end;
}

static void interface_losses(struct fc_source *s, uint16_t queue, struct fc_source_row *row)
{
	const struct queue *q = queue_of(s, queue);

	row->missed += fc_counter_read(&q->dropped) - fc_counter_read(&q->dropped_before);
	row->errors += fc_counter_read(&q->errors);
	row->no_mbuf += fc_counter_read(&q->no_mbuf);
}

static void interface_stats(struct fc_source *s, struct fc_source_row *row)
{
	uint16_t queue;

	*row = (struct fc_source_row){0};
	for (queue = 0; queue < s->rx_queues; queue++) {
		const struct queue *q = queue_of(s, queue);

		interface_losses(s, queue, row);
		row->in += fc_counter_read(&q->received) - fc_counter_read(&q->received_before);
	}
}

static void interface_close(struct fc_source *s)
{
	struct interface *i = s->state;
	uint16_t queue;

	if (i == NULL)
		return;
	for (queue = 0; i->queues != NULL && queue < s->rx_queues; queue++)
		if (i->queues[queue].pcap != NULL)
			pcap_close(i->queues[queue].pcap);
	free(i->queues);
	free(i);
}

const struct fc_source_ops fc_source_interface = {
	.open = interface_open,
	.start = interface_start,
	.rx_burst = interface_rx_burst,
	.stop_intake = interface_stop_intake,
	.stats = interface_stats,
	.losses = interface_losses,
	.close = interface_close,
};
