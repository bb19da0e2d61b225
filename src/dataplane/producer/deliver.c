// Direct producer, second half: sealed batches go to the leaders of their partitions (route.c) and are settled by the
// answers (answer.c). Each round serves the brokers that are ready; about every millisecond it looks at what is held,
// at time-outs and at the topic.
#include <errno.h>
#include <rte_common.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "../clock.h"
#include "../dataplane.h"
#include "../stats/counter.h"
#include "answer.h"
#include "route.h"

// Between two looks at a socket where answers are expected or that was full, at what is held, and at what is too old.
#define LOOK_NS (20 * FC_NS_PER_US)
#define TICK_NS FC_NS_PER_MS
#define EXPIRY_NS (100 * FC_NS_PER_MS)

enum { REQUEST_BYTES_MAX = 1 << 20 };

// ---- the way in ----------------------------------------------------------------------------------------------------

void fc_deliver_begin(struct fc_direct *d)
{
	d->now_ns = fc_monotonic_ns();
	fc_route_follow(d);
}

void fc_deliver_admit(struct fc_direct *d, struct fc_batch *batch)
{
	struct fc_route *route = &d->routes[batch->partition];

	fc_partition_add(&route->order, batch, &d->identity);
	if (route->place == FC_ROUTE_IDLE)
		fc_route_place(d, route);
}

void fc_deliver(struct fc_direct *d, struct fc_batch *batch)
{
	if (d->spill != NULL && fc_spill_wants(d))
		fc_spill_add(d, batch);
	else
		fc_deliver_admit(d, batch);
}

// ---- brokers --------------------------------------------------------------------------------------------------------

static void ask_connection(struct fc_direct *d, struct fc_broker *broker)
{
	struct fc_direct_ask letter = {.need = FC_NEED_CONNECTION, .node = broker->node};

	if (broker->asked)
		return;
	memcpy(letter.reason, broker->reason, sizeof letter.reason);
	broker->asked = fc_mailbox_post(&d->asks, &letter);
	if (broker->asked)
		broker->reason[0] = '\0';
}

static void disconnect(struct fc_broker *broker)
{
	fc_connection_detach(&broker->connection);
	fc_counter_set(&broker->counters->connected, 0);
}

// The connection is gone: what was flying on it may have been written or not, and goes out again with the same sequence
// numbers, by which the next leader knows what it has already.
static void lose_connection(struct fc_direct *d, struct fc_broker *broker, const char *reason)
{
	struct fc_request *request;
	uint32_t k;

	snprintf(broker->reason, sizeof broker->reason, "%s", reason);
	broker->asked = false;
	// What is too old must not go out again on a connection that comes sooner than the next look at it.
	d->expiry_ns = d->now_ns;
	disconnect(broker);
	while ((request = fc_connection_oldest(&broker->connection)) != NULL) {
		for (k = 0; k < request->batch_count; k++) {
			struct fc_batch *batch = request->batches[k];
			struct fc_route *route = &d->routes[batch->partition];

			fc_partition_return(&route->order, batch, FC_REMEDY_NONE);
			fc_route_place(d, route);
		}
		fc_connection_drop_oldest(&broker->connection);
	}
}

static void attach(struct fc_broker *broker, struct fc_transport *transport, int16_t version)
{
	fc_connection_detach(&broker->connection);
	fc_connection_attach(&broker->connection, transport, version);
	fc_counter_set(&broker->counters->connected, 1);
	broker->asked = false;
	broker->quiet_ns = 0;
	broker->reason[0] = '\0';
}

static void collect_letters(struct fc_direct *d)
{
	struct fc_letter letter;
	struct fc_broker *broker;

	while (fc_mailbox_collect(&d->letters, &letter)) {
		if (letter.kind == FC_LETTER_IDENTITY) {
			d->identity = (struct fc_identity){
				.producer_id = letter.producer_id,
				.epoch = letter.epoch,
				.generation = d->identity.generation + 1,
			};
			d->identity_asked = false;
			continue;
		}
		broker = fc_route_broker(d, letter.node);
		if (broker == NULL) {
			fc_transport_close(letter.transport);
			continue;
		}
		fc_transport_close(broker->next);
		broker->next = letter.transport;
		broker->next_version = letter.version;
	}
}

// Fills a request with a batch of each partition that is ready, in turn. Returns how many.
static uint32_t fill(struct fc_direct *d, struct fc_broker *broker, struct fc_batch **batches)
{
	struct fc_route_list later = TAILQ_HEAD_INITIALIZER(later);
	struct fc_route *route;
	uint64_t bytes = 0;
	uint32_t count = 0;

	while (count < FC_REQUEST_BATCHES_MAX && (route = TAILQ_FIRST(&broker->ready)) != NULL) {
		struct fc_batch *batch = fc_partition_next(&route->order);

		if (batch != NULL && count > 0 && bytes + batch->records.bytes > REQUEST_BYTES_MAX)
			break;
		TAILQ_REMOVE(&broker->ready, route, link);
		route->place = FC_ROUTE_IDLE;
		// One batch of a partition in a request: its next one comes after those of the others.
		TAILQ_INSERT_TAIL(&later, route, link);
		if (batch == NULL)
			continue; // as many are flying as may be
		fc_counter_add(&d->base.counters->retries, batch->sent);
		fc_partition_fly(&route->order, batch);
		bytes += batch->records.bytes;
		batches[count++] = batch;
	}
	while ((route = TAILQ_FIRST(&later)) != NULL) {
		TAILQ_REMOVE(&later, route, link);
		fc_route_place(d, route);
	}
	return count;
}

// Sends what is ready. 0 or -errno.
static int send_ready(struct fc_direct *d, struct fc_broker *broker)
{
	const struct fc_request_terms terms = {
		.client_id = d->config->direct.client_id,
		.topic = d->config->topic,
		// The broker has to give up before we do.
		.timeout_ms = (int32_t)(d->config->direct.request_timeout_ms / 4 * 3),
	};
	struct fc_batch *batches[FC_REQUEST_BATCHES_MAX];
	int error = 0;

	while (error == 0 && !TAILQ_EMPTY(&broker->ready) && fc_connection_is_free(&broker->connection)) {
		uint32_t count = fill(d, broker, batches);

		if (count == 0)
			break;
		fc_counter_add(&d->base.counters->batches, count);
		error = fc_connection_request(&broker->connection, &terms, batches, count, d->now_ns);
	}
	return error;
}

static void serve_broker(struct fc_direct *d, struct fc_broker *broker, bool tick)
{
	struct fc_connection *c = &broker->connection;
	struct fc_request *oldest;
	char reason[FC_DIRECT_REASON_BYTES];
	int error = 0;

	if (broker->next != NULL && c->in_flight == 0) {
		attach(broker, broker->next, broker->next_version);
		broker->next = NULL;
	}
	if (c->transport == NULL) {
		if (!TAILQ_EMPTY(&broker->ready))
			ask_connection(d, broker);
		return;
	}
	if (fc_connection_is_writing(c) && d->now_ns - broker->full_ns >= LOOK_NS) {
		error = fc_connection_write(c);
		broker->full_ns = d->now_ns;
	}
	if (error == 0 && (tick || (c->in_flight > 0 && d->now_ns - broker->read_ns >= LOOK_NS))) {
		broker->read_ns = d->now_ns;
		error = fc_answer_read(d, broker);
	}
	if (error >= 0 && broker->next == NULL && d->now_ns >= broker->quiet_ns)
		error = send_ready(d, broker);
	oldest = fc_connection_oldest(c);
	if (error >= 0 && tick && oldest != NULL &&
		d->now_ns - oldest->begun_ns > d->config->direct.request_timeout_ms * FC_NS_PER_MS)
		error = -ETIMEDOUT;
	if (error >= 0)
		return;
	if (error == -EPIPE)
		snprintf(reason, sizeof reason, "the broker closed the connection");
	else if (error == -ETIMEDOUT)
		snprintf(reason, sizeof reason, "no answer for %u ms", d->config->direct.request_timeout_ms);
	else if (error == -EBADMSG)
		snprintf(reason, sizeof reason, "the broker sent something that is no answer to a Produce request");
	else if (error == -EPROTO)
		snprintf(reason, sizeof reason, "%s", fc_last_error()); // TLS has said more than the number
	else
		snprintf(reason, sizeof reason, "%s", strerror(-error));
	lose_connection(d, broker, reason);
}

// ---- rounds ---------------------------------------------------------------------------------------------------------

// Gives up batches that are older than delivery.timeout.ms.
static void expire(struct fc_direct *d)
{
	int64_t until_ns = d->now_ns - d->config->direct.delivery_timeout_ms * FC_NS_PER_MS;
	uint64_t before = d->base.counters->failed;
	int32_t k;

	for (k = 0; k < d->partitions; k++) {
		struct fc_route *route = &d->routes[k];
		struct fc_batch *batch = TAILQ_FIRST(&route->order.waiting), *next;

		while (batch != NULL && batch->opened_ns <= until_ns && fc_partition_may_expire(&route->order)) {
			do {
				batch = fc_partition_expire(&route->order);
				fc_answer_settle(d, batch, &d->base.counters->failed);
				next = TAILQ_FIRST(&route->order.waiting);
			} while (next != NULL && next->sent);
			batch = next;
			fc_route_place(d, route);
		}
	}
	if (d->base.counters->failed > before)
		fc_event(d->base.events, LOG_ERR, "Kafka did not take %llu packets within %u ms: they are lost",
			(unsigned long long)(d->base.counters->failed - before), d->config->direct.delivery_timeout_ms);
}

static void tick(struct fc_direct *d)
{
	struct fc_route *route, *next, *last;

	fc_route_follow(d);
	// Those that stay held go to the end of the list: once around is enough.
	last = TAILQ_LAST(&d->held, fc_route_list);
	for (route = TAILQ_FIRST(&d->held); route != NULL; route = next) {
		next = route != last ? TAILQ_NEXT(route, link) : NULL;
		fc_route_release(d, route);
	}
	if (d->config->direct.delivery_timeout_ms > 0 && d->now_ns >= d->expiry_ns) {
		expire(d);
		d->expiry_ns = d->now_ns + EXPIRY_NS;
	}
}

void fc_deliver_round(struct fc_direct *d)
{
	bool ticks = d->now_ns >= d->tick_ns;
	unsigned k;

	collect_letters(d);
	if (ticks) {
		tick(d);
		d->tick_ns = d->now_ns + TICK_NS;
	}
	for (k = 0; k < d->broker_count; k++)
		serve_broker(d, &d->brokers[k], ticks);
}

void fc_deliver_abandon(struct fc_direct *d)
{
	int32_t k;

	for (k = 0; k < d->partitions; k++) {
		struct fc_partition *order = &d->routes[k].order;
		struct fc_batch *batch;

		while ((batch = TAILQ_FIRST(&order->flying)) != NULL) {
			fc_partition_lost(order, batch);
			fc_answer_settle(d, batch, &d->base.counters->failed);
		}
		while ((batch = TAILQ_FIRST(&order->waiting)) != NULL) {
			fc_partition_expire(order);
			fc_answer_settle(d, batch, &d->base.counters->failed);
		}
	}
	// What is in flight refers to those batches: nothing more is sent.
	for (k = 0; k < (int32_t)d->broker_count; k++) {
		disconnect(&d->brokers[k]);
		while (fc_connection_oldest(&d->brokers[k].connection) != NULL)
			fc_connection_drop_oldest(&d->brokers[k].connection);
	}
}
