// Source: a kernel interface, through libpcap on AF_PACKET's memory-mapped ring: kernel time in nanoseconds, the filter
// in the kernel (kernel_filter.h), the kernel's own drop counter.
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
//
// While it runs, the filter is replaced on each socket by the rx worker of its queue, the only one that knows what the
// socket is about: whether it has stopped, or rejects everything because its group is not complete. The kernel changes
// from one frame to the next, and nothing is lost by it; what it has put into the ring by then is read under the rules
// that it came under (interface_refiltered()).
//
// An interface that is removed takes its sockets with it. Each queue then reads what the kernel still has, closes its
// socket and looks for an interface of that name; when all queues have joined a new group there, capture goes on.
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdatomic.h>
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
#include "kernel_filter.h"
#include "link_watch.h"
#include "source.h"

enum {
	// A block of the kernel's ring is handed over when it is full or this old: the latency under light traffic.
	BLOCK_TIMEOUT_MS = 10,
	// How long the last blocks may take to come after intake has stopped.
	QUIET_TIMEOUT_MS = 1000,
	// Counters and link are looked at so often, and under pressure after so many full fetches.
	HOUSEKEEPING_MS = 100,
	FULL_FETCHES_MAX = 256,
	// How often an interface that is gone is looked for.
	RETURN_INTERVAL_MS = 200,
};

// Of a queue; writer and reader: its rx worker, once it has started.
enum stage {
	STAGE_OPEN,    // frames come
	STAGE_GONE,    // the interface was removed; what the kernel still has is being read
	STAGE_WAITING, // no socket: looking for the interface
	STAGE_JOINED,  // a new socket, which rejects everything until all queues have one
};

struct queue {
	// Writer: control thread before the start, then the rx worker, which changes it under the mutex.
	pcap_t *pcap;
	struct fc_source *source;
	const struct fc_kernel_filter *filter; // the worker's rules have it; of the socket, or of the next one
	// The last frame that came under the filter before, in the count of `frames`, and until when it is waited for
	// (monotonic); rx worker only.
	uint64_t old_until;
	int64_t old_deadline_ns;
	uint16_t number;
	unsigned index; // of the interface
	enum stage stage;
	int end;               // 0 while intake is open; then what rx_burst returns when all is read; rx worker only
	int64_t deadline_ns;   // of the drain, monotonic
	int64_t due_ns;        // of the next housekeeping, or of the next look for the interface; monotonic
	unsigned full_fetches; // since then

	// The kernel counted these while the wanted traffic was not let in yet; they are not ours. Writer: control
	// thread before the first fetch, rx worker afterwards.
	uint64_t received_before, dropped_before;
	// Of this socket, 32 bits wide.
	uint32_t received_last, dropped_last;

	uint64_t frames;                             // libpcap handed over, or never will; writer: rx worker
	uint64_t received, dropped, no_mbuf, errors; // writer: rx worker; readers: any

	// Of the fetch under way, for the callback.
	struct rte_mbuf **packets;
	int count;
} __rte_cache_aligned;

struct interface {
	struct queue *queues; // owned, s->rx_queues of them
	struct fc_source_config config;
	char *not_excluded;        // owned: the filter of all but our own traffic, "" for all
	struct fc_link_watch link; // of the control thread, then of queue 0's rx worker

	// Guards the making of a group, and the handles of all queues from being made or closed while the control
	// thread compiles a filter with one of them; never the way of a packet.
	pthread_mutex_t mutex;
	uint16_t group;
	_Atomic uint16_t joined; // queues in the group; writers: rx workers, under the mutex
};

static struct interface *interface_of(const struct fc_source *s)
{
	return s->state;
}

static struct queue *queue_of(const struct fc_source *s, uint16_t queue)
{
	return &interface_of(s)->queues[queue];
}

// ---- a socket -------------------------------------------------------------------------------------------------------

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

static int activate(struct fc_source *s, struct queue *q)
{
	const struct fc_source_config *config = &interface_of(s)->config;
	int status;

	pcap_set_snaplen(q->pcap, FC_FRAME_BYTES_MAX); // the filter cuts
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

// Makes the socket a member of the group of all queues. The first one makes the group, with an identifier that nobody
// else has.
static int join_group(struct fc_source *s, struct queue *q)
{
	struct interface *i = interface_of(s);
	bool first = atomic_load(&i->joined) == 0;
	uint32_t type = PACKET_FANOUT_HASH | (first ? PACKET_FANOUT_FLAG_UNIQUEID : 0);
	uint32_t value = type << 16 | (first ? 0 : i->group);
	socklen_t size = sizeof value;
	int fd = pcap_fileno(q->pcap);

	if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof value) != 0 ||
		getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &size) != 0)
		return fc_error(errno, "%s: the kernel does not spread frames over %u rx queues: %s", s->name,
			s->rx_queues, strerror(errno));
	i->group = (uint16_t)value;
	return 0;
}

// Under the mutex.
static int join(struct fc_source *s, struct queue *q)
{
	struct interface *i = interface_of(s);
	int error = s->rx_queues > 1 ? join_group(s, q) : 0;

	if (error == 0)
		atomic_fetch_add(&i->joined, 1);
	return error;
}

static void leave(struct fc_source *s, struct queue *q)
{
	struct interface *i = interface_of(s);

	pthread_mutex_lock(&i->mutex);
	pcap_close(q->pcap);
	q->pcap = NULL;
	atomic_fetch_sub(&i->joined, 1);
	pthread_mutex_unlock(&i->mutex);
}

static int set_up(struct fc_source *s, struct queue *q)
{
	char text[PCAP_ERRBUF_SIZE];
	int error = activate(s, q);
	int link_type;

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
	return join(s, q);
}

static int make_socket(struct fc_source *s, struct queue *q)
{
	char text[PCAP_ERRBUF_SIZE];
	int error;

	q->received_last = q->dropped_last = 0;
	q->index = if_nametoindex(s->name);
	q->pcap = pcap_create(s->name, text);
	if (q->pcap == NULL)
		return fc_error(EIO, "cannot capture on %s: %s", s->name, text);
	error = set_up(s, q);
	if (error != 0) {
		pcap_close(q->pcap);
		q->pcap = NULL;
	}
	return error;
}

// Opens a socket that rejects everything. 0 or -errno with fc_error(); then there is none.
static int open_queue(struct fc_source *s, struct queue *q)
{
	struct interface *i = interface_of(s);
	int error;

	pthread_mutex_lock(&i->mutex);
	error = make_socket(s, q);
	pthread_mutex_unlock(&i->mutex);
	return error;
}

// Reads the kernel's counters. ps_recv is of all frames that passed the filter, the dropped ones among them.
static void read_stats(struct queue *q)
{
	struct pcap_stat stat;

	if (pcap_stats(q->pcap, &stat) != 0)
		return;
	fc_counter_extend(&q->received, &q->received_last, stat.ps_recv);
	fc_counter_extend(&q->dropped, &q->dropped_last, stat.ps_drop);
}

static bool all_read(struct queue *q)
{
	read_stats(q);
	return q->frames >= q->received - q->dropped;
}

// The kernel may have counted frames that it will never hand over.
static void give_up_rest(struct queue *q)
{
	uint64_t handed_over = q->received - q->dropped;
	uint64_t rest = handed_over > q->frames ? handed_over - q->frames : 0;

	fc_counter_add(&q->errors, rest);
	q->frames += rest;
}

static void discard(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	(void)user;
	(void)header;
	(void)bytes;
}

// Takes out what came in before reject_all(), then lets the wanted traffic in. 0 or -errno with fc_error().
static int let_in(struct fc_source *s, struct queue *q)
{
	uint64_t received = q->received, dropped = q->dropped;
	int64_t deadline_ns = fc_monotonic_ns() + QUIET_TIMEOUT_MS * FC_NS_PER_MS;

	while (!all_read(q) && fc_monotonic_ns() < deadline_ns) {
		int got = pcap_dispatch(q->pcap, -1, discard, NULL);

		if (got < 0)
			return fc_error(EIO, "%s: %s", s->name, pcap_geterr(q->pcap));
		q->frames += (uint64_t)got;
		if (got == 0)
			nanosleep(&(struct timespec){.tv_nsec = FC_NS_PER_MS}, NULL);
	}
	fc_counter_add(&q->received_before, q->received - received);
	fc_counter_add(&q->dropped_before, q->dropped - dropped);
	if (fc_kernel_filter_attach(q->filter, pcap_fileno(q->pcap)) != 0)
		return fc_error(errno, "%s: cannot attach a filter: %s", s->name, strerror(errno));
	return 0;
}

// ---- filters --------------------------------------------------------------------------------------------------------

// Under the mutex: the handle has to last.
static int compile(struct fc_source *s, pcap_t *pcap, const char *filter, uint32_t snaplen,
	const struct fc_kernel_filter *before, struct fc_kernel_filter **made)
{
	// On loopback the kernel shows each frame twice, and libpcap drops the outgoing one after the kernel counted
	// it.
	const char *one_direction = strcmp(s->name, "lo") == 0 ? "inbound" : "";
	// What asks for something that only the kernel knows cannot be asked again of the whole frame.
	bool split = *one_direction == '\0' && *filter != '\0' && fc_filter_check(filter, false) == 0;
	char *expression;

	if (asprintf(&expression, "%s%s%s%s", one_direction, *one_direction && *filter ? " and (" : "", filter,
		    *one_direction && *filter ? ")" : "") < 0)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	*made = fc_kernel_filter_make(pcap, expression, split ? interface_of(s)->not_excluded : NULL, snaplen,
		split ? FC_FILTERS_UNTAGGED : FC_FILTERS_ALL);
	free(expression);
	if (*made != NULL && fc_kernel_filter_fits(*made, before))
		return 0;
	free(*made);
	*made = fc_kernel_filter_make(pcap, one_direction, NULL, FC_FRAME_BYTES_MAX, FC_FILTERS_NONE);
	if (*made != NULL && fc_kernel_filter_fits(*made, before))
		return 0;
	free(*made);
	*made = NULL;
	return -fc_last_errno();
}

static int interface_prepare(struct fc_source *s, const char *filter, uint32_t snaplen,
	const struct fc_kernel_filter *before, struct fc_kernel_filter **made)
{
	struct interface *i = interface_of(s);
	pcap_t *pcap = NULL;
	uint16_t queue;
	int error;

	pthread_mutex_lock(&i->mutex);
	for (queue = 0; pcap == NULL && queue < s->rx_queues; queue++)
		pcap = i->queues[queue].pcap;
	error = pcap != NULL ? compile(s, pcap, filter, snaplen, before, made)
			     : fc_error(EAGAIN, "%s is away", s->name);
	pthread_mutex_unlock(&i->mutex);
	return error;
}

static int interface_refilter(struct fc_source *s, uint16_t queue, const struct fc_kernel_filter *filter)
{
	struct queue *q = queue_of(s, queue);

	if (q->end != 0)
		return fc_error(ESHUTDOWN, "its intake has ended");
	// A socket that waits for the others of its group takes it from let_in().
	if (q->stage <= STAGE_GONE && fc_kernel_filter_attach(filter, pcap_fileno(q->pcap)) != 0)
		return fc_error(errno, "%s", strerror(errno));
	if (q->stage <= STAGE_GONE)
		read_stats(q);
	q->filter = filter;
	q->old_until = q->received - q->dropped;
	q->old_deadline_ns = fc_monotonic_ns() + QUIET_TIMEOUT_MS * FC_NS_PER_MS;
	return 0;
}

// Frames that came between the change and the reading of the counter have to please both filters: microseconds.
static bool interface_refiltered(struct fc_source *s, uint16_t queue)
{
	const struct queue *q = queue_of(s, queue);

	return q->stage >= STAGE_WAITING || q->frames >= q->old_until || fc_monotonic_ns() >= q->old_deadline_ns;
}

// ---- the interface --------------------------------------------------------------------------------------------------

static int interface_open(struct fc_source *s, const struct fc_source_config *config)
{
	struct interface *i;
	uint16_t queue;
	int error;

	i = s->state = calloc(1, sizeof *i);
	if (i == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	i->link.fd = -1;
	pthread_mutex_init(&i->mutex, NULL);
	i->config = *config;
	i->config.name = i->config.exclude = NULL; // borrowed
	i->not_excluded = fc_filter_join("", config->exclude);
	i->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, s->rx_queues * sizeof *i->queues);
	if (i->queues == NULL || i->not_excluded == NULL)
		return fc_error(ENOMEM, "%s: out of memory", s->name);
	memset(i->queues, 0, s->rx_queues * sizeof *i->queues);
	for (queue = 0; queue < s->rx_queues; queue++) {
		i->queues[queue].source = s;
		i->queues[queue].number = queue;
		error = open_queue(s, &i->queues[queue]);
		if (error != 0)
			return error;
	}
	error = fc_link_watch_open(&i->link, s->name);
	if (error != 0)
		return error;
	s->stamps = true;
	strcpy(s->clock, "kernel, nanoseconds");
	return fc_source_pool(s, false);
}

static int interface_start(struct fc_source *s, uint16_t queue, const struct fc_kernel_filter *filter)
{
	struct queue *q = queue_of(s, queue);

	q->filter = filter;
	return let_in(s, q);
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

	if (q->pcap != NULL && reject_all(q) != 0)
		fc_event(s->events, LOG_WARNING, "%s: cannot stop the intake: %s", s->name, strerror(errno));
	q->end = FC_RX_END;
	q->deadline_ns = fc_monotonic_ns() + QUIET_TIMEOUT_MS * FC_NS_PER_MS;
}

// ---- an interface that goes and comes -------------------------------------------------------------------------------

// Whether the name is another interface's now, or nobody's. The kernel unbinds the sockets of an interface that is
// removed, but a little after its name is gone, which is what libpcap fails of.
static bool is_removed(struct queue *q)
{
	return if_nametoindex(q->source->name) != q->index;
}

// pcap_dispatch() failed. What the kernel still holds is ours in any case.
static void take_failure(struct fc_source *s, struct queue *q)
{
	if (q->end == FC_RX_FAILED || q->stage == STAGE_GONE)
		return;
	if (is_removed(q)) {
		if (q->number == 0 && q->end == 0)
			fc_event(s->events, LOG_NOTICE,
				"%s: the interface was removed or renamed; waiting for one of this name, what passes "
				"until then is not seen",
				s->name);
		q->stage = STAGE_GONE;
		q->deadline_ns = fc_monotonic_ns() + QUIET_TIMEOUT_MS * FC_NS_PER_MS;
		return;
	}
	fc_event(s->events, LOG_ERR, "%s: %s", s->name, pcap_geterr(q->pcap));
	if (q->end == 0)
		interface_stop_intake(s, q->number);
	q->end = FC_RX_FAILED;
}

static void look_for_return(struct fc_source *s, struct queue *q)
{
	int error;

	if (if_nametoindex(s->name) == 0)
		return;
	error = open_queue(s, q);
	if (error == 0) {
		q->stage = STAGE_JOINED;
	} else if (error == -EPROTONOSUPPORT || error == -EPERM) {
		fc_event(s->events, LOG_ERR, "%s", fc_last_error());
		q->end = FC_RX_FAILED;
	} // else not up yet, or another queue still has its old socket
}

static void go_on(struct fc_source *s, struct queue *q)
{
	if (is_removed(q)) { // again
		leave(s, q);
		q->stage = STAGE_WAITING;
		return;
	}
	if (atomic_load(&interface_of(s)->joined) < s->rx_queues)
		return;
	if (let_in(s, q) != 0) {
		leave(s, q);
		q->stage = STAGE_WAITING;
		return;
	}
	q->stage = STAGE_OPEN;
	if (q->number == 0)
		fc_event(s->events, LOG_NOTICE,
			"%s: the interface is back and capture goes on; what passed in between is not known", s->name);
}

// A fetch without a socket. Returns what rx_burst returns.
static int fetch_nothing(struct fc_source *s, struct queue *q)
{
	int64_t now_ns = fc_monotonic_ns();
	// One after the other, as at the start: the kernel's hash then means the same queues as before.
	bool my_turn = atomic_load(&interface_of(s)->joined) == q->number;

	if (q->end == 0 && q->stage == STAGE_WAITING && my_turn && now_ns >= q->due_ns) {
		look_for_return(s, q);
		q->due_ns = now_ns + RETURN_INTERVAL_MS * FC_NS_PER_MS;
	}
	if (q->end == 0 && q->stage == STAGE_JOINED)
		go_on(s, q);
	return q->end;
}

// The interface is gone: the socket too, when it has nothing left.
static void fetched_from_gone(struct fc_source *s, struct queue *q)
{
	if (!all_read(q) && fc_monotonic_ns() < q->deadline_ns)
		return;
	give_up_rest(q);
	leave(s, q);
	q->stage = STAGE_WAITING;
	q->due_ns = 0;
}

// ---- fetching -------------------------------------------------------------------------------------------------------

static void keep_house(struct fc_source *s, struct queue *q, int64_t now_ns)
{
	read_stats(q);
	if (q->number == 0)
		fc_link_watch_poll(&interface_of(s)->link, s->events);
	q->due_ns = now_ns + HOUSEKEEPING_MS * FC_NS_PER_MS;
	q->full_fetches = 0;
}

static int interface_rx_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	struct queue *q = queue_of(s, queue);
	int64_t now_ns;
	int got;

	if (q->stage >= STAGE_WAITING)
		return fetch_nothing(s, q);
	q->packets = packets;
	q->count = 0;
	got = pcap_dispatch(q->pcap, n, receive, (u_char *)q);
	if (got < 0) {
		take_failure(s, q);
		got = q->count;
	}
	if (q->count == n && q->full_fetches++ < FULL_FETCHES_MAX)
		return q->count; // under pressure: no clock, no system call
	now_ns = fc_monotonic_ns();
	if (now_ns >= q->due_ns)
		keep_house(s, q, now_ns);
	if (got > 0)
		return q->count;
	if (q->stage == STAGE_GONE) {
		fetched_from_gone(s, q);
		return 0;
	}
	if (q->end == 0)
		return 0;
	if (!all_read(q)) {
		if (now_ns < q->deadline_ns)
			return 0;
		give_up_rest(q);
	}
	return q->end;
}

// ---- counters, end --------------------------------------------------------------------------------------------------

static bool interface_losses(struct fc_source *s, uint16_t queue, struct fc_source_row *row)
{
	const struct queue *q = queue_of(s, queue);

	row->missed += fc_counter_read(&q->dropped) - fc_counter_read(&q->dropped_before);
	row->errors += fc_counter_read(&q->errors);
	row->no_mbuf += fc_counter_read(&q->no_mbuf);
	return true;
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
	fc_link_watch_close(&i->link);
	pthread_mutex_destroy(&i->mutex);
	free(i->queues);
	free(i->not_excluded);
	free(i);
}

const struct fc_source_ops fc_source_interface = {
	.rx_capabilities = UINT64_C(1) << CAP_NET_RAW, // an interface that comes back gets new sockets
	.open = interface_open,
	.prepare = interface_prepare,
	.start = interface_start,
	.refilter = interface_refilter,
	.refiltered = interface_refiltered,
	.rx_burst = interface_rx_burst,
	.stop_intake = interface_stop_intake,
	.stats = interface_stats,
	.losses = interface_losses,
	.close = interface_close,
};
