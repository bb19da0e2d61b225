#include "route.h"

#include <rte_common.h>
#include <stdio.h>
#include <syslog.h>

#include "../clock.h"
#include "../dataplane.h"

// ---- what the control side is asked for -----------------------------------------------------------------------------

void fc_ask_topic(struct fc_direct *d, int32_t partition, int16_t error, const char *text)
{
	struct fc_direct_ask letter = {.need = FC_NEED_TOPIC, .partition = partition, .error = error};

	if (d->topic_asked)
		return;
	snprintf(letter.reason, sizeof letter.reason, "%s", text);
	d->topic_asked = fc_mailbox_post(&d->asks, &letter);
}

void fc_ask_identity(struct fc_direct *d, int16_t error)
{
	if (!d->identity_asked)
		d->identity_asked = fc_mailbox_post(
			&d->asks, &(struct fc_direct_ask){.need = FC_NEED_PRODUCER_ID, .error = error, .reason = ""});
}

// ---- places --------------------------------------------------------------------------------------------------------

static void unlink_route(struct fc_direct *d, struct fc_route *route)
{
	if (route->place == FC_ROUTE_READY)
		TAILQ_REMOVE(&route->broker->ready, route, link);
	else if (route->place == FC_ROUTE_HELD)
		TAILQ_REMOVE(&d->held, route, link);
	route->place = FC_ROUTE_IDLE;
}

static bool is_held(const struct fc_direct *d, const struct fc_route *route)
{
	return fc_partition_is_held(&route->order) || route->broker == NULL || route->generation > d->generation ||
	       route->retry_ns > d->now_ns;
}

void fc_route_place(struct fc_direct *d, struct fc_route *route)
{
	unlink_route(d, route);
	if (TAILQ_EMPTY(&route->order.waiting))
		return;
	if (is_held(d, route)) {
		route->place = FC_ROUTE_HELD;
		TAILQ_INSERT_TAIL(&d->held, route, link);
	} else {
		route->place = FC_ROUTE_READY;
		TAILQ_INSERT_TAIL(&route->broker->ready, route, link);
	}
}

static uint32_t random_below(struct fc_direct *d, uint32_t limit)
{
	// xorshift32 (Marsaglia): good enough to keep workers apart.
	d->random ^= d->random << 13;
	d->random ^= d->random >> 17;
	d->random ^= d->random << 5;
	return d->random % limit;
}

void fc_route_back_off(struct fc_direct *d, struct fc_route *route)
{
	uint64_t ms = d->config->direct.retry_backoff_ms;
	uint64_t most_ms = RTE_MAX(d->config->direct.retry_backoff_max_ms, d->config->direct.retry_backoff_ms);

	ms = RTE_MIN(ms << RTE_MIN(route->tries, 16u), most_ms);
	route->tries++;
	route->retry_ns = d->now_ns + (int64_t)(ms * (80 + random_below(d, 41)) / 100) * FC_NS_PER_MS;
}

void fc_route_release(struct fc_direct *d, struct fc_route *route)
{
	if (fc_partition_unsettled(&route->order) && route->retry_ns <= d->now_ns &&
		!fc_partition_settle(&route->order, &d->identity))
		fc_ask_identity(d, 0);
	if (route->broker == NULL || route->generation > d->generation)
		fc_ask_topic(d, (int32_t)(route - d->routes), 0, "");
	fc_route_place(d, route);
}

bool fc_route_is_open(const struct fc_direct *d, int32_t partition)
{
	const struct fc_route *route = &d->routes[partition];

	if (is_held(d, route) || !TAILQ_EMPTY(&route->order.waiting))
		return false;
	// One that was never needed gets its connection by being chosen.
	return route->broker->connection.transport != NULL || !route->broker->asked;
}

bool fc_route_would_wait(const struct fc_direct *d, int32_t partition)
{
	const struct fc_route *route = &d->routes[partition];

	if (!TAILQ_EMPTY(&route->order.waiting))
		return true;
	// What waits elsewhere has asked for what this one needs too; when there is nothing, this one has to.
	if (route->broker == NULL)
		return !TAILQ_EMPTY(&d->held);
	return route->broker->connection.transport == NULL && route->broker->asked;
}

bool fc_route_is_under_way(const struct fc_direct *d, int32_t partition)
{
	const struct fc_partition *order = &d->routes[partition].order;

	return order->flying_count > 0 || !TAILQ_EMPTY(&order->waiting);
}

// ---- the topic ------------------------------------------------------------------------------------------------------

struct fc_broker *fc_route_broker(struct fc_direct *d, int32_t node)
{
	struct fc_broker *broker;
	unsigned k;

	if (node == FC_NODE_NONE)
		return NULL;
	for (k = 0; k < d->broker_count; k++)
		if (d->brokers[k].node == node)
			return &d->brokers[k];
	if (d->broker_count == FC_BROKERS_MAX) {
		fc_event(d->base.events, LOG_ERR, "more than %d brokers: what broker %d leads has to wait",
			FC_BROKERS_MAX, node);
		return NULL;
	}
	broker = &d->brokers[d->broker_count++];
	broker->node = node;
	broker->counters = fc_broker_table_row(&d->base.brokers, node); // both hold FC_BROKERS_MAX
	TAILQ_INIT(&broker->ready);
	return broker;
}

void fc_route_follow(struct fc_direct *d)
{
	uint32_t generation = atomic_load_explicit(&d->topic->generation, memory_order_acquire);
	uint32_t room = RTE_MAX(d->pool.batch_bytes, d->pool.large_bytes);
	int32_t partitions, k;

	if (generation == d->generation)
		return;
	d->generation = generation;
	d->topic_asked = false;
	d->batch_bytes_max = RTE_MIN(atomic_load_explicit(&d->topic->batch_bytes_max, memory_order_relaxed), room);
	partitions = atomic_load_explicit(&d->topic->partitions, memory_order_relaxed);
	for (k = d->partitions; k < partitions; k++)
		fc_partition_init(&d->routes[k].order);
	d->partitions = partitions;
	for (k = 0; k < partitions; k++) {
		struct fc_route *route = &d->routes[k];

		unlink_route(d, route);
		route->broker = fc_route_broker(d, atomic_load_explicit(&d->topic->leaders[k], memory_order_relaxed));
		fc_route_place(d, route);
	}
}
