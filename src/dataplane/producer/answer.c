#include "answer.h"

#include <rte_common.h>
#include <syslog.h>

#include "../clock.h"
#include "../stats/counter.h"
#include "produce_error.h"
#include "route.h"

// The same error is worth a line again after so long.
#define SAY_AGAIN_NS (10 * FC_NS_PER_S)
// A broker that wants longer silence than this is asked again.
#define QUIET_MAX_NS (30 * FC_NS_PER_S)

void fc_answer_settle(struct fc_direct *d, struct fc_batch *batch, uint64_t *counter)
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
		fc_answer_settle(d, batch, &d->base.counters->delivered);
	while ((batch = fc_partition_implied(&route->order, order)) != NULL);
	route->tries = 0;
	if (route->place == FC_ROUTE_HELD)
		fc_route_place(d, route);
}

static void lose(struct fc_direct *d, struct fc_route *route, struct fc_batch *batch)
{
	fc_partition_lost(&route->order, batch);
	fc_answer_settle(d, batch, &d->base.counters->failed);
	fc_route_place(d, route);
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
		fc_ask_topic(d, batch->partition, error->code, result->text); // for its new limit
		if (batch->records.records >= 2 && !batch->large && split_later(d, route, batch))
			break;
		say_error(d, LOG_WARNING, error, broker->node, result);
		if (split(d, route, batch))
			fc_route_place(d, route);
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
		fc_ask_identity(d, error->code);
		break;
	case FC_PRODUCE_LEADER:
		route->generation = d->generation + 1;
		fc_ask_topic(d, batch->partition, error->code, result->text);
		break;
	case FC_PRODUCE_AGAIN:
		break;
	}
	if (!expected)
		say_error(d, LOG_WARNING, error, broker->node, result);
	// Several batches of one partition that come back together are one try.
	if (!route->order.returned)
		fc_route_back_off(d, route);
	fc_partition_return(&route->order, batch, remedy);
	fc_route_place(d, route);
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

int fc_answer_read(struct fc_direct *d, struct fc_broker *broker)
{
	return fc_connection_read(&broker->connection, on_response, &(struct answering){.d = d, .broker = broker});
}
