#include "rx_worker.h"

#include <rte_cycles.h>
#include <rte_ether.h>
#include <syslog.h>

#include "../clock.h"
#include "../packet.h"
#include "../stats/counter.h"

// A broker rejects a whole batch for one CreateTime more than an hour ahead (message.timestamp.after.max.ms); the
// margin is for its clock.
#define FC_AHEAD_MAX_NS (UINT64_C(55) * 60 * FC_NS_PER_S)

// Turns to other rules, if there are any. The source does first, for what arrives from now on; what had arrived before
// is still fetched under the old ones. A source that fails to keeps what it has, and so does the worker.
static void change_rules(struct fc_rx_worker *w)
{
	const struct fc_source_ops *ops = w->source->ops;

	if (w->next == NULL) {
		w->next = fc_rx_rules_take(&w->desk);
		if (w->next == NULL)
			return;
		if (ops->refilter != NULL && ops->refilter(w->source, w->queue, w->next->kernel) != 0) {
			fc_event(w->source->events, LOG_ERR, "%s: rx queue %u keeps its filter and snaplen: %s",
				w->source->name, w->queue, fc_last_error());
			fc_rx_rules_return(&w->desk, w->next);
			w->next = NULL;
			return;
		}
	}
	if (ops->refiltered != NULL && !ops->refiltered(w->source, w->queue))
		return;
	fc_rx_rules_return(&w->desk, w->rules);
	w->rules = w->next;
	w->next = NULL;
}

// Fetches until a fetch is not full, at most `attempts` times, before anything else is done: the source's queue comes
// first. Returns the number of packets; *end gets FC_RX_END or FC_RX_FAILED when the source has no more.
static uint16_t fetch(struct fc_rx_worker *w, struct rte_mbuf **packets, int *end)
{
	uint16_t count = 0, attempt;

	for (attempt = 0; attempt < w->attempts; attempt++) {
		int got = w->source->ops->rx_burst(w->source, w->queue, packets + count, w->burst);

		if (got < 0) {
			*end = got;
			break;
		}
		if (!w->source->stamps && got > 0) {
			uint64_t now_ns = fc_now_ns();
			int k;

			for (k = 0; k < got; k++)
				if (fc_packet(packets[count + k])->time_ns == 0)
					fc_packet(packets[count + k])->time_ns = now_ns;
		}
		count = (uint16_t)(count + got);
		if (got < w->burst)
			break;
		fc_counter_add(&w->counters.full_bursts, 1);
	}
	return count;
}

// Whether the frame begins with a VLAN tag of those that the kernel takes out of its bytes, and libpcap puts back.
static bool is_tagged(struct rte_mbuf *m)
{
	const struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

	return rte_pktmbuf_data_len(m) >= sizeof *ethernet &&
	       (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
		       ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ));
}

// Drops what does not match. Returns how many are left, at the front.
static uint16_t filter(struct fc_rx_worker *w, struct rte_mbuf **packets, uint16_t count)
{
	struct fc_rx_rules *rules = w->rules;
	uint16_t kept = 0, k;

	if (rules->source_filters == FC_FILTERS_ALL || rules->filter.all)
		return count;
	for (k = 0; k < count; k++) {
		bool done = rules->source_filters == FC_FILTERS_UNTAGGED && !is_tagged(packets[k]);

		if (done || fc_filter_matches(&rules->filter, packets[k]))
			packets[kept++] = packets[k];
		else
			rte_pktmbuf_free(packets[k]);
	}
	fc_counter_add(&w->counters.filtered, (uint64_t)(count - kept));
	return kept;
}

// Takes from --count's budget. What it has no room for is freed: it came after the last wanted packet and is not ours,
// as little as what the source still has. Returns how many are left, at the front.
static uint16_t limit(struct fc_rx_worker *w, struct rte_mbuf **packets, uint16_t count)
{
	struct fc_rx_budget *budget = w->budget;
	uint64_t left = atomic_load_explicit(&budget->left, memory_order_relaxed);
	uint16_t taken;

	if (!budget->limited)
		return count;
	do
		taken = (uint16_t)RTE_MIN(left, count);
	while (!atomic_compare_exchange_weak_explicit(
		&budget->left, &left, left - taken, memory_order_relaxed, memory_order_relaxed));
	rte_pktmbuf_free_bulk(&packets[taken], (unsigned)(count - taken));
	return taken;
}

static bool limit_reached(const struct fc_rx_budget *budget)
{
	return budget->limited && atomic_load_explicit(&budget->left, memory_order_relaxed) == 0;
}

// What the source has lost of this queue so far: it leaves a gap in the sequence, as what the ring drops does.
static uint64_t source_losses(const struct fc_rx_worker *w)
{
	struct fc_source_row row = {0};

	if (w->source->ops->losses != NULL)
		w->source->ops->losses(w->source, w->queue, &row);
	return row.missed + row.errors + row.no_mbuf;
}

// Numbers the packets, cuts to snaplen, and marks those whose time a broker would reject.
static void prepare(struct fc_rx_worker *w, struct rte_mbuf **packets, uint16_t count)
{
	uint64_t latest_ns = fc_now_ns() + FC_AHEAD_MAX_NS;
	uint64_t sequence = w->sequence + source_losses(w);
	uint64_t truncated = 0, clamped = 0;
	uint32_t snaplen = w->rules->snaplen;
	uint16_t k;

	for (k = 0; k < count; k++) {
		struct rte_mbuf *m = packets[k];
		struct fc_packet *packet = fc_packet(m);

		packet->sequence = sequence + k;
		packet->create_time_now = packet->time_ns > latest_ns;
		clamped += packet->create_time_now;
		// A source may have cut it already (the kernel does).
		truncated += fc_packet_cut(m, snaplen) || packet->original_bytes > m->pkt_len;
	}
	w->sequence += count;
	fc_counter_add(&w->counters.truncated, truncated);
	fc_counter_add(&w->counters.time_clamped, clamped);
}

// Enqueue transfers; this function frees only the tail that did not fit. Returns the cycles spent waiting for room.
static uint64_t enqueue(struct fc_rx_worker *w, struct rte_mbuf **packets, uint16_t count)
{
	struct fc_idle idle = {.backoff = true};
	uint64_t waited = 0;
	uint16_t done = 0;

	while (done < count) {
		// The ring's new owner may free a packet at once: its length is taken before.
		uint64_t bytes = 0, begin;
		uint16_t room = (uint16_t)RTE_MIN((unsigned)(count - done), rte_ring_free_count(w->ring)), k;

		for (k = 0; k < room; k++)
			bytes += packets[done + k]->pkt_len;
		// Only this worker enqueues: what was free stays free.
		rte_ring_sp_enqueue_bulk(w->ring, (void **)&packets[done], room, NULL);
		fc_counter_add(&w->counters.bytes, bytes);
		fc_counter_add(&w->counters.out, room);
		done = (uint16_t)(done + room);
		if (done == count || !w->source->waits)
			break;
		begin = rte_rdtsc();
		fc_idle_wait(&idle);
		waited += rte_rdtsc() - begin;
	}
	rte_pktmbuf_free_bulk(&packets[done], (unsigned)(count - done));
	fc_counter_add(&w->counters.ring_full_drops, (uint64_t)(count - done));
	return waited;
}

// One round: from the source into the ring. Returns the cycles that it worked.
static uint64_t forward(struct fc_rx_worker *w, struct rte_mbuf **packets, int *end)
{
	uint64_t begin = rte_rdtsc(), waited;
	uint16_t count = fetch(w, packets, end);
	uint16_t matching, wanted;

	if (count == 0)
		return 0;
	matching = filter(w, packets, count);
	wanted = limit(w, packets, matching);
	fc_counter_add(&w->counters.in, (uint64_t)(count - (matching - wanted)));
	prepare(w, packets, wanted);
	waited = enqueue(w, packets, wanted);
	return rte_rdtsc() - begin - waited;
}

void fc_rx_worker_main(void *arg)
{
	struct fc_rx_worker *w = arg;
	struct fc_idle idle = {.backoff = w->source->backoff};
	struct rte_mbuf *packets[FC_RX_BURST_MAX * FC_RX_ATTEMPTS_MAX];
	uint64_t start = rte_rdtsc(), before = start;
	bool draining = false;
	int end = 0;

	while (end == 0 && !limit_reached(w->budget)) {
		uint64_t worked, now;

		if (!draining && atomic_load_explicit(w->stop, memory_order_relaxed)) {
			draining = true;
			atomic_store(&w->thread.state, FC_STATE_DRAINING);
			w->source->ops->stop_intake(w->source, w->queue);
		}
		if (!draining)
			change_rules(w);
		worked = forward(w, packets, &end);
		if (worked > 0) {
			fc_counter_add(&w->busy_cycles, worked);
			fc_idle_reset(&idle);
		} else if (end == 0) {
			fc_idle_wait(&idle);
		}
		now = rte_rdtsc();
		fc_counter_set(&w->total_cycles, now - start);
		if (now - before > w->longest_cycles)
			fc_counter_set(&w->longest_cycles, now - before);
		before = now;
	}
	// Ended by itself (--count, end, failure): what still arrives is not ours.
	if (!draining)
		w->source->ops->stop_intake(w->source, w->queue);
	atomic_store(&w->failed, end == FC_RX_FAILED);
}
