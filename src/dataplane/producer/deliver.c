// Direct producer, second half: sealed batches go to the leaders of their partitions and are settled by the answers.
//
// A partition (route) with something to send is in the ready list of its leader, or held back: until the leader is
// known, until a back-off is over, until what is flying has been answered. Each round serves the brokers that are
// ready; about every millisecond it looks at what is held, at time-outs and at the topic.
#include <errno.h>
#include <rte_common.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "../clock.h"
#include "../dataplane.h"
#include "../stats/counter.h"
#include "direct_state.h"
#include "produce_error.h"

// Between two looks at a socket where answers are expected or that was full, at what is held, and at what is too old.
#define LOOK_NS (20 * FC_NS_PER_US)
#define TICK_NS FC_NS_PER_MS
#define EXPIRY_NS (100 * FC_NS_PER_MS)
// The same error is worth a line again after so long.
#define SAY_AGAIN_NS (10 * FC_NS_PER_S)
// A broker that wants longer silence than this is asked again.
#define QUIET_MAX_NS (30 * FC_NS_PER_S)

enum { REQUEST_BYTES_MAX = 1 << 20 };

// ---- the control side -----------------------------------------------------------------------------------------------

static bool ask(struct fc_direct *d, const struct fc_direct_ask *ask)
{
	return fc_mailbox_post(&d->asks, ask);
}

static void ask_topic(struct fc_direct *d, int32_t partition, int16_t error, const char *text)
{
	struct fc_direct_ask letter = {.need = FC_NEED_TOPIC, .partition = partition, .error = error};

	if (d->topic_asked)
		return;
	snprintf(letter.reason, sizeof letter.reason, "%s", text);
	d->topic_asked = ask(d, &letter);
}

static void ask_identity(struct fc_direct *d, int16_t error)
{
	if (!d->identity_asked)
		d->identity_asked =
			ask(d, &(struct fc_direct_ask){.need = FC_NEED_PRODUCER_ID, .error = error, .reason = ""});
}

static void ask_connection(struct fc_direct *d, struct fc_broker *broker)
{
	struct fc_direct_ask letter = {.need = FC_NEED_CONNECTION, .node = broker->node};

	if (broker->asked)
		return;
	memcpy(letter.reason, broker->reason, sizeof letter.reason);
	broker->asked = ask(d, &letter);
	if (broker->asked)
		broker->reason[0] = '\0';
}

// ---- routes ---------------------------------------------------------------------------------------------------------

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

// Puts the route where it belongs after something about it has changed.
static void place(struct fc_direct *d, struct fc_route *route)
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

// The next try is later the more there were, by a fifth more or less.
static void back_off(struct fc_direct *d, struct fc_route *route)
{
	uint64_t ms = d->config->direct.retry_backoff_ms;
	uint64_t most_ms = RTE_MAX(d->config->direct.retry_backoff_max_ms, d->config->direct.retry_backoff_ms);

	ms = RTE_MIN(ms << RTE_MIN(route->tries, 16u), most_ms);
	route->tries++;
	route->retry_ns = d->now_ns + (int64_t)(ms * (80 + random_below(d, 41)) / 100) * FC_NS_PER_MS;
}

// Lets a held route go on as soon as it can.
static void release(struct fc_direct *d, struct fc_route *route)
{
	if (fc_partition_unsettled(&route->order) && route->retry_ns <= d->now_ns &&
		!fc_partition_settle(&route->order, &d->identity))
		ask_identity(d, 0);
	if (route->broker == NULL || route->generation > d->generation)
		ask_topic(d, (int32_t)(route - d->routes), 0, "");
	place(d, route);
}

bool fc_deliver_is_open(const struct fc_direct *d, int32_t partition)
{
	const struct fc_route *route = &d->routes[partition];

	if (is_held(d, route) || !TAILQ_EMPTY(&route->order.waiting))
		return false;
	// One that was never needed gets its connection by being chosen.
	return route->broker->connection.transport != NULL || !route->broker->asked;
}

bool fc_deliver_would_wait(const struct fc_direct *d, int32_t partition)
{
	const struct fc_route *route = &d->routes[partition];

	if (!TAILQ_EMPTY(&route->order.waiting))
		return true;
	// What waits elsewhere has asked for what this one needs too; when there is nothing, this one has to.
	if (route->broker == NULL)
		return !TAILQ_EMPTY(&d->held);
	return route->broker->connection.transport == NULL && route->broker->asked;
}

bool fc_deliver_is_under_way(const struct fc_direct *d, int32_t partition)
{
	const struct fc_partition *order = &d->routes[partition].order;

	return order->flying_count > 0 || !TAILQ_EMPTY(&order->waiting);
}

void fc_deliver_admit(struct fc_direct *d, struct fc_batch *batch)
{
	struct fc_route *route = &d->routes[batch->partition];

	fc_partition_add(&route->order, batch, &d->identity);
	if (route->place == FC_ROUTE_IDLE)
		place(d, route);
}

void fc_deliver(struct fc_direct *d, struct fc_batch *batch)
{
	if (d->spill != NULL && fc_spill_wants(d))
		fc_spill_add(d, batch);
	else
		fc_deliver_admit(d, batch);
}

// ---- the topic ------------------------------------------------------------------------------------------------------

static struct fc_broker *broker_of(struct fc_direct *d, int32_t node)
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

static void follow_topic(struct fc_direct *d)
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
		route->broker = broker_of(d, atomic_load_explicit(&d->topic->leaders[k], memory_order_relaxed));
		place(d, route);
	}
}

void fc_deliver_begin(struct fc_direct *d)
{
	d->now_ns = fc_monotonic_ns();
	follow_topic(d);
}

// ---- settling -------------------------------------------------------------------------------------------------------

static void settle(struct fc_direct *d, struct fc_batch *batch, uint64_t *counter)
{
	fc_counter_add(counter, batch->records.records);
	d->settled += batch->records.records;
	if (batch->origin != NULL)
		fc_spill_settled(d, batch);
	fc_batch_give_back(&d->pool, batch);
}

static void say_error(struct fc_direct *d, int level, const struct fc_produce_error *error, int32_t node,
	const struct fc_produce_result *result)
{
	if (result->error == d->said_error && d->now_ns - d->said_ns < SAY_AGAIN_NS)
		return;
	d->said_error = result->error;
	d->said_ns = d->now_ns;
	fc_event(d->base.events, level, "Kafka: broker %d, partition %d: %s (%d)%s%s", node, result->partition,
		error->name, result->error, result->text[0] != '\0' ? ": " : "", result->text);
}

static void delivered(struct fc_direct *d, struct fc_route *route, struct fc_batch *batch)
{
	uint64_t order = batch->order;

	fc_partition_delivered(&route->order, batch);
	do
		settle(d, batch, &d->base.counters->delivered);
	while ((batch = fc_partition_implied(&route->order, order)) != NULL);
	route->tries = 0;
	if (route->place == FC_ROUTE_HELD)
		place(d, route);
}

static void lose(struct fc_direct *d, struct fc_route *route, struct fc_batch *batch)
{
	fc_partition_lost(&route->order, batch);
	settle(d, batch, &d->base.counters->failed);
	place(d, route);
}

// Whether it has to wait before it is split. One batch after the other: halves take memory until they are delivered,
// and if those of many batches had taken it all, none would ever come to halves that are small enough.
static bool split_later(const struct fc_direct *d, const struct fc_route *route, const struct fc_batch *batch)
{
	return !fc_partition_is_first(&route->order, batch) ||
	       (d->splitting != route && !fc_batch_kept_whole(&d->pool));
}

// A batch that the broker found too large goes out again in two halves. False when it cannot be split.
static bool split(struct fc_direct *d, struct fc_route *route, struct fc_batch *batch)
{
	struct fc_record_batch records = batch->records;
	struct fc_batch *first, *second;
	bool done;

	if (records.records < 2 || batch->large)
		return false;
	d->splitting = route;
	first = fc_batch_take_kept(&d->pool);
	second = fc_batch_take_kept(&d->pool);
	done = first != NULL && second != NULL &&
	       fc_record_batch_decompress(d->decompressor, &records, d->pool.spare + FC_PRODUCE_PARTITION_HEAD_BYTES,
		       d->pool.batch_bytes) &&
	       fc_record_batch_split(&records, &first->records, &second->records);
	if (done) {
		first->partition = second->partition = batch->partition;
		first->opened_ns = second->opened_ns = batch->opened_ns;
		first->origin = second->origin = batch->origin;
		fc_accumulate_seal(d, first);
		fc_accumulate_seal(d, second);
		done = fc_partition_split(&route->order, batch, first, second);
	}
	if (done)
		fc_batch_give_back(&d->pool, batch);
	else if (first != NULL)
		fc_batch_give_back(&d->pool, first);
	if (!done && second != NULL)
		fc_batch_give_back(&d->pool, second);
	return done;
}

// What a broker said of a batch that is flying.
static void answer(struct fc_direct *d, const struct fc_broker *broker, struct fc_batch *batch,
	const struct fc_produce_result *result)
{
	const struct fc_produce_error *error = fc_produce_error(result->error);
	struct fc_route *route = &d->routes[batch->partition];
	enum fc_partition_remedy remedy = FC_REMEDY_NONE;
	bool expected = false;

	switch (error->action) {
	case FC_PRODUCE_DELIVERED:
		delivered(d, route, batch);
		return;
	case FC_PRODUCE_SMALLER:
		ask_topic(d, batch->partition, error->code, result->text); // for its new limit
		if (batch->records.records >= 2 && !batch->large && split_later(d, route, batch))
			break;
		say_error(d, LOG_WARNING, error, broker->node, result);
		if (split(d, route, batch))
			place(d, route);
		else
			lose(d, route, batch);
		return;
	case FC_PRODUCE_REJECTED:
		say_error(d, LOG_ERR, error, broker->node, result);
		lose(d, route, batch);
		return;
	case FC_PRODUCE_SEQUENCE:
		// Expected behind a batch that has come back or is lost; else the broker has forgotten us.
		if (fc_partition_is_first(&route->order, batch))
			remedy = FC_REMEDY_RENEW;
		expected = remedy == FC_REMEDY_NONE || fc_partition_is_behind_gap(&route->order, batch);
		break;
	case FC_PRODUCE_IDENTITY:
		remedy = FC_REMEDY_REPLACE;
		ask_identity(d, error->code);
		break;
	case FC_PRODUCE_LEADER:
		route->generation = d->generation + 1;
		ask_topic(d, batch->partition, error->code, result->text);
		break;
	case FC_PRODUCE_AGAIN:
		break;
	}
	if (!expected)
		say_error(d, LOG_WARNING, error, broker->node, result);
	// Several batches of one partition that come back together are one try.
	if (!route->order.returned)
		back_off(d, route);
	fc_partition_return(&route->order, batch, remedy);
	place(d, route);
}

struct answering {
	struct fc_direct *d;
	struct fc_broker *broker;
};

// Which batch of the request a partition's is; `batch_count` for none.
static uint32_t index_of(const struct fc_request *request, int32_t partition, uint32_t hint)
{
	uint32_t k;

	for (k = 0; k < request->batch_count; k++) {
		// A broker answers in the order of the request, as far as we have seen; it need not.
		uint32_t index = (hint + k) % request->batch_count;

		if (request->batches[index]->partition == partition)
			return index;
	}
	return request->batch_count;
}

// Whether a response tells of each batch of its request once, of nothing else, and ends there; `order` gets which batch
// each of its results is about. Before all that is known, none of it is believed.
static bool match(struct fc_produce_response response, const struct fc_request *request, uint8_t *order)
{
	struct fc_produce_result result;
	uint64_t seen = 0;
	uint32_t answered = 0;
	int more;

	_Static_assert(FC_REQUEST_BATCHES_MAX <= 64, "a bit for each");
	while ((more = fc_produce_response_next(&response, &result)) == 1) {
		uint32_t index = index_of(request, result.partition, answered);

		if (index == request->batch_count || (seen >> index & 1) != 0)
			return false;
		seen |= UINT64_C(1) << index;
		order[answered++] = (uint8_t)index;
	}
	return more == 0 && answered == request->batch_count;
}

// Serves one response: the fc_connection_on_response of all connections.
static bool on_response(void *context, struct fc_request *request, const uint8_t *bytes, uint32_t size)
{
	struct answering *a = context;
	struct fc_direct *d = a->d;
	struct fc_produce_response response;
	struct fc_produce_result result;
	uint8_t order[FC_REQUEST_BATCHES_MAX];
	uint32_t k;

	fc_produce_response_open(&response, bytes, size, a->broker->connection.version, d->config->topic);
	if (!match(response, request, order))
		return false;
	fc_counter_add(&a->broker->counters->round_trip_ns, (uint64_t)(d->now_ns - request->begun_ns));
	fc_counter_add(&a->broker->counters->answers, 1);
	for (k = 0; fc_produce_response_next(&response, &result) == 1; k++)
		answer(d, a->broker, request->batches[order[k]], &result);
	if (response.throttle_ms > 0)
		a->broker->quiet_ns = d->now_ns + RTE_MIN(response.throttle_ms * FC_NS_PER_MS, QUIET_MAX_NS);
	return true;
}

// ---- brokers --------------------------------------------------------------------------------------------------------

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
			place(d, route);
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
		broker = broker_of(d, letter.node);
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
		place(d, route);
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
		error = fc_connection_read(c, on_response, &(struct answering){.d = d, .broker = broker});
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
				settle(d, batch, &d->base.counters->failed);
				next = TAILQ_FIRST(&route->order.waiting);
			} while (next != NULL && next->sent);
			batch = next;
			place(d, route);
		}
	}
	if (d->base.counters->failed > before)
		fc_event(d->base.events, LOG_ERR, "Kafka did not take %llu packets within %u ms: they are lost",
			(unsigned long long)(d->base.counters->failed - before), d->config->direct.delivery_timeout_ms);
}

static void tick(struct fc_direct *d)
{
	struct fc_route *route, *next, *last;

	follow_topic(d);
	// Those that stay held go to the end of the list: once around is enough.
	last = TAILQ_LAST(&d->held, fc_route_list);
	for (route = TAILQ_FIRST(&d->held); route != NULL; route = next) {
		next = route != last ? TAILQ_NEXT(route, link) : NULL;
		release(d, route);
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
			settle(d, batch, &d->base.counters->failed);
		}
		while ((batch = TAILQ_FIRST(&order->waiting)) != NULL) {
			fc_partition_expire(order);
			settle(d, batch, &d->base.counters->failed);
		}
	}
	// What is in flight refers to those batches: nothing more is sent.
	for (k = 0; k < (int32_t)d->broker_count; k++) {
		disconnect(&d->brokers[k]);
		while (fc_connection_oldest(&d->brokers[k].connection) != NULL)
			fc_connection_drop_oldest(&d->brokers[k].connection);
	}
}
