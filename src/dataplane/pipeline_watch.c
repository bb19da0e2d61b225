// What a running pipeline says of itself: rows of workers, brokers and sources, events; what is looked at now and then.
#include <rte_cycles.h>
#include <stdio.h>
#include <syslog.h>

#include "clock.h"
#include "clock_steps.h"
#include "pipeline.h"
#include "producer/producer.h"
#include "stats/counter.h"

#define WATCH_INTERVAL_NS FC_NS_PER_S

static uint64_t cycles_ns(uint64_t cycles)
{
	return (uint64_t)((double)cycles / (double)rte_get_tsc_hz() * (double)FC_NS_PER_S);
}

static void fill_tx_row(const struct fc_lane *lane, const struct fc_tx_worker *w, struct fc_worker_row *row)
{
	*row = (struct fc_worker_row){
		.role = FC_ROLE_TX,
		.state = (enum fc_state)atomic_load(&w->thread.state),
		.failed = atomic_load(&w->failed),
		.source = lane->source,
		.queue = lane->rx->queue,
		.worker = w->index,
		.cpu = w->thread.cpu,
		.busy_cycles = fc_counter_read(&w->busy_cycles),
		.total_cycles = fc_counter_read(&w->total_cycles),
		.cpu_time_ns = fc_thread_cpu_time_ns(&w->thread),
	};
	fc_counters_copy((uint64_t *)&row->tx, (const uint64_t *)&w->counters, sizeof row->tx / sizeof(uint64_t));
}

static void fill_rx_row(const struct fc_lane *lane, struct fc_worker_row *row)
{
	const struct fc_rx_worker *w = lane->rx;
	struct fc_source_row losses = {0};

	*row = (struct fc_worker_row){
		.role = FC_ROLE_RX,
		.state = (enum fc_state)atomic_load(&w->thread.state),
		.failed = atomic_load(&w->failed),
		.source = lane->source,
		.queue = w->queue,
		.cpu = w->thread.cpu,
		.ring_queued = rte_ring_count(lane->ring),
		.longest_gap_ns = cycles_ns(fc_counter_read(&w->longest_cycles)),
		.busy_cycles = fc_counter_read(&w->busy_cycles),
		.total_cycles = fc_counter_read(&w->total_cycles),
		.cpu_time_ns = fc_thread_cpu_time_ns(&w->thread),
	};
	if (w->source->ops->losses != NULL && w->source->ops->losses(w->source, w->queue, &losses)) {
		row->losses_known = true;
		row->missed = losses.missed;
		row->errors = losses.errors;
		row->no_mbuf = losses.no_mbuf;
	}
	fc_counters_copy((uint64_t *)&row->rx, (const uint64_t *)&w->counters, sizeof row->rx / sizeof(uint64_t));
}

size_t fc_pipeline_workers(struct fc_pipeline *p, struct fc_worker_row *rows, size_t max)
{
	size_t per_lane = 1u + p->config.tx_workers;
	size_t total = p->lane_count * per_lane;
	size_t lane, k;

	if (total > max)
		return total;
	for (lane = 0; lane < p->lane_count; lane++) {
		for (k = p->config.tx_workers; k-- > 0;)
			fill_tx_row(&p->lanes[lane], &p->lanes[lane].tx[k], &rows[lane * per_lane + 1 + k]);
		fill_rx_row(&p->lanes[lane], &rows[lane * per_lane]);
	}
	return total;
}

// Copies the rows of one producer behind the first `*count`, as long as they fit, and counts them.
static void fill_broker_rows(const struct fc_broker_table *t, struct fc_broker_row *rows, size_t max, size_t *count)
{
	uint64_t known = fc_counter_read(&t->count), k;

	for (k = 0; k < known; k++, (*count)++) {
		struct fc_broker_counters copy;

		if (*count >= max)
			continue;
		fc_counters_copy((uint64_t *)&copy, (const uint64_t *)&t->rows[k], sizeof copy / sizeof(uint64_t));
		rows[*count] = (struct fc_broker_row){
			.node = (int32_t)copy.node,
			.connected = copy.connected != 0,
			.round_trip_ns = copy.round_trip_ns,
			.answers = copy.answers,
		};
	}
}

size_t fc_pipeline_brokers(struct fc_pipeline *p, struct fc_broker_row *rows, size_t max)
{
	size_t count = 0;
	uint16_t lane, k;

	for (lane = 0; lane < p->lane_count; lane++)
		for (k = 0; k < p->config.tx_workers; k++)
			fill_broker_rows(&p->lanes[lane].tx[k].producer->brokers, rows, max, &count);
	return count;
}

static uint64_t received(const struct fc_pipeline *p, uint16_t source)
{
	uint64_t sum = 0;
	uint16_t lane;

	for (lane = 0; lane < p->lane_count; lane++)
		if (p->lanes[lane].source == source)
			sum += fc_counter_read(&p->lanes[lane].rx->counters.in);
	return sum;
}

size_t fc_pipeline_sources(struct fc_pipeline *p, struct fc_source_row *rows, size_t max)
{
	uint16_t k;

	for (k = 0; k < p->source_count && k < max; k++) {
		struct fc_source *s = &p->sources[k];

		s->ops->stats(s, &rows[k]);
		snprintf(rows[k].clock, sizeof rows[k].clock, "%s", s->clock);
		rows[k].clock_steps = s->own_time ? 0 : p->clock_steps;
		// With --count, what arrived after the last wanted packet is not ours.
		if (p->budget.limited)
			rows[k].in = received(p, k) + rows[k].missed + rows[k].errors + rows[k].no_mbuf;
	}
	return p->source_count;
}

static void watch_clock(struct fc_pipeline *p)
{
	int64_t before_ns = fc_clock_ns(CLOCK_BOOTTIME);
	int64_t unix_ns = fc_clock_ns(CLOCK_REALTIME);
	int64_t step_ns = fc_clock_steps_look(&p->clock, before_ns, unix_ns, fc_clock_ns(CLOCK_BOOTTIME));

	if (step_ns == 0)
		return;
	p->clock_steps++;
	fc_event(&p->events, LOG_WARNING, "the system clock has stepped by %+.3f s, and the times of packets with it",
		(double)step_ns / (double)FC_NS_PER_S);
}

void fc_pipeline_watch(struct fc_pipeline *p)
{
	int64_t now_ns = fc_monotonic_ns();
	uint16_t k;

	watch_clock(p);
	if (now_ns < p->watch_due_ns)
		return;
	p->watch_due_ns = now_ns + WATCH_INTERVAL_NS;
	for (k = 0; k < p->source_count; k++)
		if (p->sources[k].ops->watch != NULL)
			p->sources[k].ops->watch(&p->sources[k]);
}

size_t fc_pipeline_xstats(struct fc_pipeline *p, uint16_t source, struct fc_xstat *rows, size_t max)
{
	struct fc_source *s = &p->sources[source];

	return source < p->source_count && s->ops->xstats != NULL ? s->ops->xstats(s, rows, max) : 0;
}

int fc_pipeline_event(struct fc_pipeline *p, char *text, size_t size)
{
	return fc_events_take(&p->events, text, size);
}
