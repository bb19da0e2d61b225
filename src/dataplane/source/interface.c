// Source: a kernel interface, through libpcap on AF_PACKET's memory-mapped ring: kernel time in nanoseconds, the filter
// in the kernel, the kernel's own drop counter.
//
// The counters close to the packet because the beginning and the end are sharp: a filter that rejects everything is
// attached to the socket first and again last, and in between every frame that the kernel counts is either read by us
// or counted as dropped by the kernel.
#include <errno.h>
#include <linux/filter.h>
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

struct interface {
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
};

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

static int activate(struct fc_source *s, struct interface *i, const struct fc_source_config *config)
{
	int status;

	pcap_set_snaplen(i->pcap, (int)config->snaplen);
	pcap_set_promisc(i->pcap, config->promiscuous);
	pcap_set_timeout(i->pcap, BLOCK_TIMEOUT_MS);
	pcap_set_buffer_size(i->pcap, (int)config->buffer_bytes);
	pcap_set_tstamp_precision(i->pcap, PCAP_TSTAMP_PRECISION_NANO);
	status = pcap_activate(i->pcap);
	if (status < 0)
		return open_error(s, i->pcap, status);
	if (status > 0)
		fc_event(s->events, LOG_WARNING, "%s: %s: %s", s->name, pcap_statustostr(status), pcap_geterr(i->pcap));
	return 0;
}

// Attached behind libpcap's back: with pcap_setfilter() it would also apply to the frames that are waiting in the ring.
static int reject_all(struct interface *i)
{
	struct sock_filter reject = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog program = {.len = 1, .filter = &reject};

	return setsockopt(pcap_fileno(i->pcap), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

// Reads the kernel's counters. ps_recv is of all frames that passed the filter, the dropped ones among them.
static void read_stats(struct interface *i)
{
	struct pcap_stat stat;

	if (pcap_stats(i->pcap, &stat) != 0)
		return;
	fc_counter_add(&i->received, stat.ps_recv - i->received_last);
	fc_counter_add(&i->dropped, stat.ps_drop - i->dropped_last);
	i->received_last = stat.ps_recv;
	i->dropped_last = stat.ps_drop;
}

static bool all_read(struct interface *i)
{
	read_stats(i);
	return i->frames >= i->received - i->dropped;
}

static int interface_open(struct fc_source *s, const struct fc_source_config *config)
{
	char text[PCAP_ERRBUF_SIZE];
	struct interface *i;
	int error, link_type;

	if (config->rx_queues != 1)
		return fc_error(EINVAL, "%s: one queue on a kernel interface, not %u", s->name, config->rx_queues);
	i = s->state = calloc(1, sizeof *i);
	if (i == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	i->source = s;
	i->pcap = pcap_create(s->name, text);
	if (i->pcap == NULL)
		return fc_error(EIO, "cannot capture on %s: %s", s->name, text);
	error = activate(s, i, config);
	if (error != 0)
		return error;
	if (reject_all(i) != 0)
		return fc_error(errno, "%s: cannot attach a filter: %s", s->name, strerror(errno));
	link_type = pcap_datalink(i->pcap);
	if (link_type != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(link_type);

		return fc_error(EPROTONOSUPPORT, "%s: link type is %s (%d), only Ethernet (EN10MB) can be sent",
			s->name, name != NULL ? name : "unknown", link_type);
	}
	if (pcap_setnonblock(i->pcap, 1, text) != 0)
		return fc_error(EIO, "%s: %s", s->name, text);
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
static bool attach(struct interface *i, const char *expression)
{
	struct bpf_program program;
	bool attached;

	if (pcap_compile(i->pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0)
		return false;
	// struct bpf_insn and struct sock_filter are the same 8 bytes by design.
	attached = program.bf_len <= BPF_MAXINSNS && setsockopt(pcap_fileno(i->pcap), SOL_SOCKET, SO_ATTACH_FILTER,
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
	struct interface *i = s->state;
	char expression[FC_FILTER_BYTES_MAX + 32];
	int64_t deadline_ns = fc_monotonic_ns() + QUIET_TIMEOUT_MS * FC_NS_PER_MS;

	(void)queue;
	while (!all_read(i) && fc_monotonic_ns() < deadline_ns) {
		int got = pcap_dispatch(i->pcap, -1, discard, NULL);

		if (got < 0)
			return fc_error(EIO, "%s: %s", s->name, pcap_geterr(i->pcap));
		i->frames += (uint64_t)got;
		if (got == 0)
			nanosleep(&(struct timespec){.tv_nsec = FC_NS_PER_MS}, NULL);
	}
	i->received_before = i->received;
	i->dropped_before = i->dropped;

	snprintf(expression, sizeof expression, "%s%s%s%s", one_direction, *one_direction && *filter ? " and (" : "",
		filter, *one_direction && *filter ? ")" : "");
	if (attach(i, expression))
		return 1;
	if (!attach(i, one_direction))
		return fc_error(errno, "%s: cannot attach a filter: %s", s->name, strerror(errno));
	return 0;
}

static void receive(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct interface *i = (struct interface *)user;
	struct rte_mbuf *m;
	struct fc_packet *packet;

	i->frames++;
	m = header->caplen <= FC_FRAME_BYTES_MAX ? fc_packet_copy(i->source->pool, bytes, header->caplen) : NULL;
	if (m == NULL) {
		fc_counter_add(&i->no_mbuf, 1);
		return;
	}
	packet = fc_packet(m);
	packet->time_ns = (uint64_t)(header->ts.tv_sec * FC_NS_PER_S + header->ts.tv_usec);
	packet->original_bytes = header->len;
	i->packets[i->count++] = m;
}

static void interface_stop_intake(struct fc_source *s, uint16_t queue)
{
	struct interface *i = s->state;

	(void)queue;
	if (reject_all(i) != 0)
		fc_event(s->events, LOG_WARNING, "%s: cannot stop the intake: %s", s->name, strerror(errno));
	i->end = FC_RX_END;
	i->deadline_ns = fc_monotonic_ns() + QUIET_TIMEOUT_MS * FC_NS_PER_MS;
}

static int interface_rx_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	struct interface *i = s->state;
	int64_t now_ns;
	int got;

	(void)queue;
	i->packets = packets;
	i->count = 0;
	got = pcap_dispatch(i->pcap, n, receive, (u_char *)i);
	if (got < 0) { // the interface is gone; what the kernel still holds of it is ours
		if (i->end != FC_RX_FAILED)
			fc_event(s->events, LOG_ERR, "%s: %s", s->name, pcap_geterr(i->pcap));
		if (i->end == 0)
			interface_stop_intake(s, queue);
		i->end = FC_RX_FAILED;
		got = i->count;
	}
	if (got > 0 && i->count == n)
		return i->count; // under pressure: no clock, no system call
	now_ns = fc_monotonic_ns();
	if (now_ns >= i->stats_due_ns) {
		read_stats(i);
		i->stats_due_ns = now_ns + STATS_INTERVAL_MS * FC_NS_PER_MS;
	}
	if (i->end == 0 || got > 0)
		return i->count;
	if (all_read(i))
		return i->end;
	if (now_ns < i->deadline_ns)
		return 0;
	// The kernel counted frames that it never handed over.
	fc_counter_set(&i->errors, i->received - i->dropped - i->frames);
	return i->end;
}

static void interface_stats(struct fc_source *s, struct fc_source_row *row)
{
	struct interface *i = s->state;

	*row = (struct fc_source_row){
		.no_mbuf = fc_counter_read(&i->no_mbuf),
		.errors = fc_counter_read(&i->errors),
		.missed = fc_counter_read(&i->dropped) - fc_counter_read(&i->dropped_before),
		.in = fc_counter_read(&i->received) - fc_counter_read(&i->received_before),
	};
}

static void interface_close(struct fc_source *s)
{
	struct interface *i = s->state;

	if (i == NULL)
		return;
	if (i->pcap != NULL)
		pcap_close(i->pcap);
	free(i);
}

const struct fc_source_ops fc_source_interface = {
	.open = interface_open,
	.start = interface_start,
	.rx_burst = interface_rx_burst,
	.stop_intake = interface_stop_intake,
	.stats = interface_stats,
	.close = interface_close,
};
