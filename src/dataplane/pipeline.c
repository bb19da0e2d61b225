// Wires the stages: source -> rx worker -> tx ring -> tx workers -> producers. The order of start and stop is here.
//
// Start: producers, tx workers, sources, rx workers: whoever takes is there before whoever gives. Stop is the other way
// round: rx workers end, rings run empty, producers flush.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "error.h"
#include "pipeline.h"
#include "producer/direct.h"
#include "producer/producer.h"

// ---- making ---------------------------------------------------------------------------------------------------------

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
	if (p->source_count == FC_SOURCES_MAX)
		return fc_error(E2BIG, "more than %d sources", FC_SOURCES_MAX);
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

static int make_lane(struct fc_pipeline *p, struct fc_lane *lane, uint16_t source, uint16_t queue)
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
	lane->rx->rules = fc_lane_rules(lane, p->config.filter, s->snaplen);
	if (lane->rx->rules == NULL)
		return -fc_last_errno();
	lane->rx->desk.newest = lane->rx->rules;
	fc_lane_say_how(p, lane->rx, lane->rx->rules);
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

static void close_lane(struct fc_pipeline *p, struct fc_lane *lane)
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
