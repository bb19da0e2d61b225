// Wires the stages: source -> rx worker -> tx ring -> tx workers -> producers. The order of start and stop is here.
//
// Start: producers, tx workers, sources, rx workers: whoever takes is there before whoever gives. Stop is the other way
// round: rx workers end, rings run empty, producers flush.
#include "dataplane.h"

#include <errno.h>
#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "capabilities.h"
#include "clock.h"
#include "clock_steps.h"
#include "error.h"
#include "events.h"
#include "packet.h"
#include "producer/direct.h"
#include "producer/producer.h"
#include "producer/spill_files.h"
#include "producer/topic.h"
#include "ring/tx_ring.h"
#include "rx/rx_worker.h"
#include "source/source.h"
#include "stats/counter.h"
#include "tx/tx_worker.h"

enum { SOURCES_MAX = 32, WATCH_INTERVAL_MS = 1000 };

// One rx queue with all that hangs on it.
struct lane {
	struct fc_rx_worker *rx; // owned, cache-line aligned
	struct rte_ring *ring;   // owned
	struct fc_tx_worker *tx; // owned, config.tx_workers of them
	uint16_t source;
};

struct eal_errand {
	uint64_t keep;
	sem_t done;
	int error; // writer: the interrupt thread, before it posts
};

struct fc_pipeline {
	struct fc_pipeline_config config; // its pointers: NULL or owned
	struct fc_source sources[SOURCES_MAX];
	uint16_t source_count;
	struct lane *lanes; // owned, one per rx queue of all sources
	uint16_t lane_count;
	struct fc_rx_budget budget;
	struct fc_topic topic;            // of the direct producers
	struct fc_spill_directory *spill; // owned, of the direct producers; NULL: none
	struct fc_events events;
	// Control thread only.
	struct fc_clock_steps clock;
	uint64_t clock_steps;
	int64_t watch_due_ns;       // monotonic
	atomic_bool stop;           // writer: control thread; readers: rx workers
	_Atomic int64_t give_up_ns; // monotonic; writer: control thread; readers: tx workers
};

// ---- making ---------------------------------------------------------------------------------------------------------

int fc_eal_start(int argc, char **argv)
{
	// Standard error alone: EAL's own choice is also the system log.
	rte_openlog_stream(stderr);
	if (rte_eal_init(argc, argv) < 0)
		return fc_error(rte_errno, "DPDK does not start: %s", rte_strerror(rte_errno));
	return fc_packet_register();
}

// On DPDK's interrupt thread.
static void confine_this_thread(void *arg)
{
	struct eal_errand *confined = arg;

	confined->error = fc_capabilities_keep(confined->keep);
	sem_post(&confined->done);
}

int fc_eal_confine(uint64_t keep)
{
	struct eal_errand confined = {.keep = keep};
	int error;

	sem_init(&confined.done, 0, 0);
	error = rte_eal_alarm_set(1, confine_this_thread, &confined);
	if (error == 0) {
		while (sem_wait(&confined.done) != 0)
			;
		error = confined.error;
	}
	sem_destroy(&confined.done);
	return error == 0
		       ? 0
		       : fc_error(-error, "DPDK's interrupt thread cannot give up capabilities: %s", strerror(-error));
}

uint64_t fc_cycles_per_second(void)
{
	return rte_get_tsc_hz();
}

static int check(const struct fc_pipeline_config *c)
{
	if (c->rx_burst < 1 || c->rx_burst > FC_RX_BURST_MAX)
		return fc_error(EINVAL, "rx burst is %u, allowed are 1 to %d", c->rx_burst, FC_RX_BURST_MAX);
	if (c->rx_attempts < 1 || c->rx_attempts > FC_RX_ATTEMPTS_MAX)
		return fc_error(EINVAL, "rx attempts are %u, allowed are 1 to %d", c->rx_attempts, FC_RX_ATTEMPTS_MAX);
	if (c->tx_burst < 1 || c->tx_burst > FC_TX_BURST_MAX)
		return fc_error(EINVAL, "tx burst is %u, allowed are 1 to %d", c->tx_burst, FC_TX_BURST_MAX);
	if (c->tx_ring < 2 || (c->tx_ring & (c->tx_ring - 1)) != 0)
		return fc_error(EINVAL, "tx ring is %u, it must be a power of two", c->tx_ring);
	if (c->tx_workers < 1 || c->partitions < 1)
		return fc_error(EINVAL, "at least one tx worker and one partition are needed");
	return 0;
}

static char *copy_string(const char *text)
{
	return strdup(text != NULL ? text : "");
}

static void free_properties(const char *const *properties, size_t count)
{
	size_t k;

	for (k = 0; properties != NULL && k < 2 * count; k++)
		free((void *)(uintptr_t)properties[k]);
	free((void *)(uintptr_t)properties);
}

static const char *const *copy_properties(const char *const *properties, size_t count)
{
	const char **copy = calloc(2 * count + 1, sizeof *copy);
	size_t k;

	for (k = 0; copy != NULL && k < 2 * count; k++) {
		copy[k] = copy_string(properties[k]);
		if (copy[k] == NULL) {
			free_properties(copy, count);
			return NULL;
		}
	}
	return copy;
}

struct fc_pipeline *fc_pipeline_create(const struct fc_pipeline_config *config)
{
	struct fc_pipeline *p;

	if (check(config) != 0)
		return NULL;
	p = calloc(1, sizeof *p);
	if (p == NULL) {
		fc_error(ENOMEM, "out of memory");
		return NULL;
	}
	fc_events_init(&p->events);
	p->config = *config;
	p->config.filter = copy_string(config->filter);
	p->config.topic = copy_string(config->topic);
	p->config.properties = copy_properties(config->properties, config->property_count);
	p->config.direct.client_id = copy_string(config->direct.client_id);
	p->config.direct.spill_directory = copy_string(config->direct.spill_directory);
	p->budget.limited = config->count > 0;
	atomic_init(&p->budget.left, config->count);
	atomic_init(&p->stop, false);
	atomic_init(&p->give_up_ns, INT64_MAX);
	if (p->config.filter == NULL || p->config.topic == NULL || p->config.properties == NULL ||
		p->config.direct.client_id == NULL || p->config.direct.spill_directory == NULL ||
		fc_topic_open(&p->topic) != 0) {
		fc_error(ENOMEM, "out of memory");
		fc_pipeline_close(p);
		return NULL;
	}
	return p;
}

int fc_pipeline_add_source(struct fc_pipeline *p, const struct fc_source_config *config)
{
	int error;

	if (p->lanes != NULL)
		return fc_error(EINVAL, "%s: the pipeline has started already", config->name);
	if (p->source_count == SOURCES_MAX)
		return fc_error(E2BIG, "more than %d sources", SOURCES_MAX);
	if (config->rx_queues < 1 || config->snaplen < 1 || config->snaplen > FC_FRAME_BYTES_MAX)
		return fc_error(
			EINVAL, "%s: %u rx queues, snaplen %u", config->name, config->rx_queues, config->snaplen);
	error = fc_source_open(&p->sources[p->source_count], config, &p->events);
	if (error == 0)
		p->source_count++;
	return error;
}

// ---- starting -------------------------------------------------------------------------------------------------------

static void *aligned_zeroed(size_t size)
{
	size_t rounded = RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE);
	void *memory = aligned_alloc(RTE_CACHE_LINE_SIZE, rounded);

	if (memory != NULL)
		memset(memory, 0, rounded);
	return memory;
}

static struct fc_producer *make_producer(
	struct fc_pipeline *p, const struct fc_producer_place *place, struct fc_tx_counters *counters)
{
	switch (p->config.producer) {
	case FC_PRODUCER_DIRECT:
		return fc_producer_direct(&p->config, place, &p->topic, p->spill, counters, &p->events);
	case FC_PRODUCER_LIBRDKAFKA:
		return fc_producer_librdkafka(&p->config, place, counters, &p->events);
	}
	return NULL;
}

// For the lane's rx worker, which may run. NULL with fc_error().
static struct fc_rx_rules *make_rules(const struct lane *lane, const char *filter, uint32_t snaplen)
{
	return fc_rx_rules_make(lane->rx->source, filter, snaplen, lane->rx->desk.newest);
}

// It is the same for all queues of a source.
static void say_how(struct fc_pipeline *p, const struct fc_rx_worker *w, const struct fc_rx_rules *rules)
{
	if (w->queue == 0 && rules->note[0] != '\0')
		fc_event(&p->events, LOG_INFO, "%s: %s", w->source->name, rules->note);
}

static int make_lane(struct fc_pipeline *p, struct lane *lane, uint16_t source, uint16_t queue)
{
	const struct fc_pipeline_config *config = &p->config;
	struct fc_source *s = &p->sources[source];
	uint16_t number = (uint16_t)(lane - p->lanes), k;
	int error = 0;

	lane->source = source;
	lane->rx = aligned_zeroed(sizeof *lane->rx);
	lane->tx = aligned_zeroed(config->tx_workers * sizeof *lane->tx);
	if (lane->rx == NULL || lane->tx == NULL)
		return fc_error(ENOMEM, "out of memory");
	lane->ring = fc_tx_ring_create(config->tx_ring, config->tx_workers, s->numa_node);
	if (lane->ring == NULL)
		return -ENOMEM;
	*lane->rx = (struct fc_rx_worker){
		.source = s,
		.queue = queue,
		.burst = config->rx_burst,
		.attempts = config->rx_attempts,
		.ring = lane->ring,
		.budget = &p->budget,
		.stop = &p->stop,
	};
	lane->rx->rules = make_rules(lane, p->config.filter, s->snaplen);
	if (lane->rx->rules == NULL)
		return -fc_last_errno();
	lane->rx->desk.newest = lane->rx->rules;
	say_how(p, lane->rx, lane->rx->rules);
	for (k = 0; error == 0 && k < config->tx_workers; k++) {
		struct fc_tx_worker *w = &lane->tx[k];

		w->ring = lane->ring;
		w->feeder = &lane->rx->thread;
		w->burst = config->tx_burst;
		w->index = k;
		w->backoff = s->backoff;
		w->give_up_ns = &p->give_up_ns;
		w->producer = make_producer(p,
			&(struct fc_producer_place){
				.worker = (uint16_t)(number * config->tx_workers + k),
				.lane = number,
				.origin =
					{
						.interface = s->name,
						.interface_bytes = (uint16_t)strlen(s->name),
						.queue = queue,
					},
			},
			&w->counters);
		if (w->producer == NULL)
			error = -EINVAL;
	}
	return error;
}

static int open_spill_directory(struct fc_pipeline *p, uint16_t workers)
{
	const struct fc_direct_config *config = &p->config.direct;
	int error;

	if (p->config.producer != FC_PRODUCER_DIRECT || config->spill_directory[0] == '\0')
		return 0;
	p->spill = calloc(1, sizeof *p->spill);
	if (p->spill == NULL)
		return fc_error(ENOMEM, "out of memory");
	error = fc_spill_directory_open(
		p->spill, config->spill_directory, config->spill_bytes_max, config->spill_sync, workers);
	if (error != 0) {
		free(p->spill);
		p->spill = NULL;
	}
	return error;
}

static int make_lanes(struct fc_pipeline *p)
{
	uint16_t total = 0, source, queue;
	int error = 0;

	for (source = 0; source < p->source_count; source++)
		total = (uint16_t)(total + p->sources[source].rx_queues);
	p->lanes = calloc(total + 1u, sizeof *p->lanes);
	if (p->lanes == NULL)
		return fc_error(ENOMEM, "out of memory");
	error = open_spill_directory(p, (uint16_t)(total * p->config.tx_workers));
	for (source = 0; source < p->source_count; source++)
		for (queue = 0; error == 0 && queue < p->sources[source].rx_queues; queue++)
			error = make_lane(p, &p->lanes[p->lane_count++], source, queue);
	return error;
}

static int placed(const struct fc_placement *placement, size_t worker)
{
	return worker < placement->count ? placement->cpus[worker] : -1;
}

static int start_tx_workers(struct fc_pipeline *p, const struct fc_placement *placement)
{
	size_t per_lane = 1u + p->config.tx_workers;
	uint16_t lane, k;
	int error = 0;

	for (lane = 0; error == 0 && lane < p->lane_count; lane++)
		for (k = 0; error == 0 && k < p->config.tx_workers; k++) {
			struct fc_tx_worker *w = &p->lanes[lane].tx[k];
			char name[24]; // the kernel keeps 15 characters

			snprintf(name, sizeof name, "fc-tx-%u-%u", lane, k);
			error = fc_thread_start(
				&w->thread, placed(placement, lane * per_lane + 1u + k), 0, fc_tx_worker_main, w, name);
		}
	return error;
}

static int start_rx_workers(struct fc_pipeline *p, const struct fc_placement *placement)
{
	size_t per_lane = 1u + p->config.tx_workers;
	uint16_t lane;
	int error = 0;

	for (lane = 0; error == 0 && lane < p->lane_count; lane++) {
		struct fc_rx_worker *w = p->lanes[lane].rx;
		char name[24];

		error = w->source->ops->start(w->source, w->queue, w->rules->kernel);
		if (error != 0)
			return error;
		snprintf(name, sizeof name, "fc-rx-%u", lane);
		error = fc_thread_start(&w->thread, placed(placement, lane * per_lane), w->source->ops->rx_capabilities,
			fc_rx_worker_main, w, name);
	}
	return error;
}

struct start {
	struct fc_pipeline *p;
	const struct fc_placement *placement;
};

// The half that talks to Kafka.
static int start_senders(void *arg)
{
	const struct start *start = arg;
	struct fc_pipeline *p = start->p;
	uint16_t lane;
	int error = make_lanes(p);

	// A tx worker looks at its feeder's state from its first round on.
	for (lane = 0; error == 0 && lane < p->lane_count; lane++)
		atomic_store(&p->lanes[lane].rx->thread.state, FC_STATE_RUNNING);
	return error == 0 ? start_tx_workers(p, start->placement) : error;
}

int fc_pipeline_start(struct fc_pipeline *p, const struct fc_placement *placement)
{
	struct start start = {.p = p, .placement = placement};
	int error;

	if (p->source_count == 0 || p->lanes != NULL)
		return fc_error(EINVAL, "a pipeline starts once, and with at least one source");
	// The tx workers, and the threads of the Kafka library and of the spill directory: none of them needs
	// privileges.
	error = fc_thread_run_unprivileged(start_senders, &start);
	if (error == 0)
		error = start_rx_workers(p, placement);
	return error;
}

void fc_pipeline_stop(struct fc_pipeline *p, uint64_t timeout_ms)
{
	uint64_t limit_ms = INT64_MAX / FC_NS_PER_MS / 2;
	int64_t until_ns = fc_monotonic_ns() + (int64_t)RTE_MIN(timeout_ms, limit_ms) * FC_NS_PER_MS;
	int64_t before_ns = atomic_load(&p->give_up_ns);

	while (until_ns < before_ns && !atomic_compare_exchange_weak(&p->give_up_ns, &before_ns, until_ns))
		;
	atomic_store(&p->stop, true);
}

// ---- watching -------------------------------------------------------------------------------------------------------

static uint64_t cycles_ns(uint64_t cycles)
{
	return (uint64_t)((double)cycles / (double)rte_get_tsc_hz() * (double)FC_NS_PER_S);
}

static void fill_tx_row(const struct lane *lane, const struct fc_tx_worker *w, struct fc_worker_row *row)
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

static void fill_rx_row(const struct lane *lane, struct fc_worker_row *row)
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
	p->watch_due_ns = now_ns + WATCH_INTERVAL_MS * FC_NS_PER_MS;
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

// ---- other rules while it runs
// ---------------------------------------------------------------------------------------

// A worker that has ended never takes what is offered.
static bool takes_rules(const struct fc_rx_worker *w)
{
	return atomic_load(&w->thread.state) != FC_STATE_DONE;
}

size_t fc_pipeline_changing(struct fc_pipeline *p)
{
	size_t changing = 0;
	uint16_t lane;

	for (lane = 0; lane < p->lane_count; lane++)
		changing += !fc_rx_rules_settled(&p->lanes[lane].rx->desk) && takes_rules(p->lanes[lane].rx);
	return changing;
}

static int make_all_rules(struct fc_pipeline *p, const char *filter, uint32_t snaplen, struct fc_rx_rules **made)
{
	uint16_t lane;

	for (lane = 0; lane < p->lane_count; lane++) {
		if (!takes_rules(p->lanes[lane].rx))
			continue;
		made[lane] = make_rules(&p->lanes[lane], filter, snaplen);
		if (made[lane] == NULL)
			return -fc_last_errno();
	}
	return 0;
}

int fc_pipeline_change(struct fc_pipeline *p, const char *filter, uint32_t snaplen)
{
	struct fc_rx_rules **made;
	uint16_t lane;
	int error;

	if (snaplen < 1 || snaplen > FC_FRAME_BYTES_MAX)
		return fc_error(EINVAL, "snaplen is %u, allowed are 1 to %d", snaplen, FC_FRAME_BYTES_MAX);
	if (fc_pipeline_changing(p) > 0)
		return fc_error(EAGAIN, "the last change is not through");
	made = calloc(p->lane_count + 1u, sizeof *made);
	if (made == NULL)
		return fc_error(ENOMEM, "out of memory");
	// All of them, or none: nothing has been offered until each was made.
	error = make_all_rules(p, filter, snaplen, made);
	for (lane = 0; lane < p->lane_count; lane++) {
		if (error != 0) {
			fc_rx_rules_free(made[lane]);
		} else if (made[lane] != NULL) {
			say_how(p, p->lanes[lane].rx, made[lane]);
			fc_rx_rules_offer(&p->lanes[lane].rx->desk, made[lane]);
		}
	}
	free(made);
	return error;
}

// ---- the direct producer's control side -----------------------------------------------------------------------------

// The direct producer of a tx worker, or NULL.
static struct fc_producer *direct_producer(struct fc_pipeline *p, uint16_t worker)
{
	unsigned lane = worker / p->config.tx_workers;

	if (p->config.producer != FC_PRODUCER_DIRECT || lane >= p->lane_count || p->lanes[lane].tx == NULL)
		return NULL;
	return p->lanes[lane].tx[worker % p->config.tx_workers].producer;
}

int fc_pipeline_direct_next(struct fc_pipeline *p, struct fc_direct_ask *ask)
{
	struct fc_producer *producer;
	uint16_t worker;

	for (worker = 0; (producer = direct_producer(p, worker)) != NULL; worker++)
		if (fc_direct_next_ask(producer, ask))
			return 1;
	return 0;
}

int fc_pipeline_direct_topic(
	struct fc_pipeline *p, const int32_t *leaders, int32_t partitions, uint32_t batch_bytes_max)
{
	return fc_topic_publish(&p->topic, leaders, partitions, batch_bytes_max);
}

int fc_pipeline_direct_producer_id(struct fc_pipeline *p, uint16_t worker, int64_t producer_id, int16_t epoch)
{
	struct fc_producer *producer = direct_producer(p, worker);

	return producer != NULL && fc_direct_give_identity(producer, producer_id, epoch) ? 0 : -EAGAIN;
}

int fc_pipeline_direct_connection(
	struct fc_pipeline *p, uint16_t worker, int32_t node, struct fc_transport *transport, int16_t version)
{
	struct fc_producer *producer = direct_producer(p, worker);

	return producer != NULL && fc_direct_give_connection(producer, node, transport, version) ? 0 : -EAGAIN;
}

// ---- ending ---------------------------------------------------------------------------------------------------------

// The worker has ended, perhaps in the middle of a change.
static void free_rules(struct fc_rx_worker *w)
{
	fc_rx_rules_free(w->rules);
	fc_rx_rules_free(w->next);
	fc_rx_rules_free(fc_rx_rules_take(&w->desk));
	fc_rx_rules_free(atomic_load(&w->desk.returned));
}

static void close_lane(struct fc_pipeline *p, struct lane *lane)
{
	uint16_t k;

	if (lane->rx != NULL)
		free_rules(lane->rx);
	for (k = 0; lane->tx != NULL && k < p->config.tx_workers; k++)
		if (lane->tx[k].producer != NULL)
			lane->tx[k].producer->ops->close(lane->tx[k].producer);
	rte_ring_free(lane->ring);
	free(lane->rx);
	free(lane->tx);
}

uint64_t fc_pipeline_close(struct fc_pipeline *p)
{
	uint64_t missing = 0;
	uint16_t lane, k;

	fc_pipeline_stop(p, 0);
	for (lane = 0; lane < p->lane_count; lane++) {
		// After a failed start there may be tx workers without their rx worker: nothing will feed them.
		if (p->lanes[lane].rx != NULL && !p->lanes[lane].rx->thread.started)
			atomic_store(&p->lanes[lane].rx->thread.state, FC_STATE_DONE);
		if (p->lanes[lane].rx != NULL)
			fc_thread_join(&p->lanes[lane].rx->thread);
		for (k = 0; p->lanes[lane].tx != NULL && k < p->config.tx_workers; k++)
			fc_thread_join(&p->lanes[lane].tx[k].thread);
	}
	for (lane = 0; lane < p->lane_count; lane++)
		close_lane(p, &p->lanes[lane]);
	free(p->lanes);
	if (p->spill != NULL)
		fc_spill_directory_close(p->spill);
	free(p->spill);
	for (k = 0; k < p->source_count; k++)
		missing += fc_source_close(&p->sources[k]);
	free_properties(p->config.properties, p->config.property_count);
	free((void *)(uintptr_t)p->config.filter);
	free((void *)(uintptr_t)p->config.topic);
	free((void *)(uintptr_t)p->config.direct.client_id);
	free((void *)(uintptr_t)p->config.direct.spill_directory);
	fc_topic_close(&p->topic);
	fc_events_destroy(&p->events);
	free(p);
	return missing;
}
