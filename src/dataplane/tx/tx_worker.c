#include "tx_worker.h"

#include <rte_cycles.h>

#include "../clock.h"
#include "../stats/counter.h"

enum { FLUSH_MS = 100 };

// A burst that was taken from the ring; the producer takes it from the front.
struct hand {
	struct rte_mbuf *packets[FC_TX_BURST_MAX];
	uint16_t first, count;
};

static bool feeder_done(const struct fc_tx_worker *w)
{
	return atomic_load(&w->feeder->state) == FC_STATE_DONE;
}

static bool time_over(const struct fc_tx_worker *w)
{
	int64_t give_up_ns = atomic_load_explicit(w->give_up_ns, memory_order_relaxed);

	return give_up_ns != INT64_MAX && fc_monotonic_ns() >= give_up_ns;
}

static void take(struct fc_tx_worker *w, struct hand *hand)
{
	if (hand->count > 0)
		return;
	hand->first = 0;
	hand->count = (uint16_t)rte_ring_dequeue_burst(w->ring, (void **)hand->packets, w->burst, NULL);
	fc_counter_add(&w->counters.in, hand->count);
	fc_counter_set(&w->counters.held, hand->count);
}

static uint16_t send(struct fc_tx_worker *w, struct hand *hand)
{
	uint16_t sent;

	if (hand->count == 0)
		return 0;
	sent = w->producer->ops->send_burst(w->producer, &hand->packets[hand->first], hand->count);
	hand->first = (uint16_t)(hand->first + sent);
	hand->count = (uint16_t)(hand->count - sent);
	fc_counter_set(&w->counters.held, hand->count);
	return sent;
}

// The drain's time is over: what is in the ring and in the hand counts as given to Kafka and given up.
static void give_up(struct fc_tx_worker *w, struct hand *hand)
{
	for (;;) {
		take(w, hand);
		if (hand->count > 0) {
			rte_pktmbuf_free_bulk(&hand->packets[hand->first], hand->count);
			fc_counter_add(&w->counters.kafka_in, hand->count);
			fc_counter_add(&w->counters.abandoned, hand->count);
			fc_counter_add(&w->counters.failed, hand->count);
			fc_counter_set(&w->counters.held, 0);
			hand->count = 0;
		} else if (feeder_done(w) && rte_ring_empty(w->ring)) {
			break;
		} else {
			rte_pause();
		}
	}
	w->producer->ops->abandon(w->producer);
}

// Ring to producer until there is nothing left to come. False when the time is over before that.
static bool forward(struct fc_tx_worker *w, struct hand *hand, uint64_t start)
{
	struct fc_idle idle = {.backoff = w->backoff};

	while (!time_over(w)) {
		uint64_t begin = rte_rdtsc();
		// Read before the ring: when the feeder had ended by then, an empty ring stays empty.
		bool last = feeder_done(w);
		unsigned work;

		take(w, hand);
		work = send(w, hand);
		work += w->producer->ops->poll(w->producer);
		if (w->producer->broken)
			atomic_store_explicit(&w->failed, true, memory_order_relaxed);
		fc_counter_set(&w->total_cycles, rte_rdtsc() - start);
		if (work > 0) {
			fc_counter_add(&w->busy_cycles, rte_rdtsc() - begin);
			fc_idle_reset(&idle);
			continue;
		}
		if (hand->count == 0 && last && rte_ring_empty(w->ring))
			return true;
		fc_idle_wait(&idle);
	}
	return false;
}

void fc_tx_worker_main(void *arg)
{
	struct fc_tx_worker *w = arg;
	struct hand hand = {.count = 0};
	uint64_t start = rte_rdtsc();
	bool settled = false;

	if (forward(w, &hand, start)) {
		atomic_store(&w->thread.state, FC_STATE_DRAINING);
		do
			settled = w->producer->ops->flush(w->producer, FLUSH_MS);
		while (!settled && !time_over(w));
	}
	if (!settled)
		give_up(w, &hand);
	fc_counter_set(&w->total_cycles, rte_rdtsc() - start);
}
