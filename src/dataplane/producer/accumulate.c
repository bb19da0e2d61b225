// Direct producer, first half: each packet is copied once, from its mbuf into the record batch that will be sent.
#include <rte_byteorder.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "../clock.h"
#include "../packet.h"
#include "../stats/counter.h"
#include "direct_state.h"
#include "partitioner.h"
#include "route.h"

// Between two looks at the batches behind one that has to stay open.
#define LINGER_TICK_NS FC_NS_PER_MS

enum {
	// The rx worker's core wrote the mbuf last: its two lines are fetched far ahead, the frame's first one nearer,
	// when it is known where that is.
	PREFETCH_MBUF = 12,
	PREFETCH_FRAME = 6,
	// No record takes more around its value: far from the limit nothing has to be computed.
	OVERHEAD_BYTES_MAX = 1024,
	// Of delivery.timeout.ms: the reciprocal of how long a batch may be open.
	OPEN_SHARE = 8,
};

// What has to queue behind spilled batches stays open so long, for larger batches.
#define QUEUE_OPEN_NS FC_NS_PER_S

static void copy_value(uint8_t *to, const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next) {
		rte_memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
		to += m->data_len;
	}
}

static bool is_too_large(const struct fc_direct *d, const struct fc_record *record)
{
	uint32_t limit = d->batch_bytes_max;

	if ((uint64_t)record->value_bytes + OVERHEAD_BYTES_MAX <= limit)
		return false;
	return fc_record_batch_bytes_max(record) > limit;
}

// The next partition to fill: one that can be sent to, if there is any, or else `otherwise`.
static int32_t next_sticky(const struct fc_direct *d, int32_t otherwise)
{
	int32_t candidate = d->sticky, k;

	for (k = 0; k < d->partitions; k++) {
		candidate = (candidate + 1) % d->partitions;
		if (fc_route_is_open(d, candidate))
			return candidate;
	}
	return otherwise;
}

void fc_accumulate_seal(struct fc_direct *d, struct fc_batch *batch)
{
	uint8_t *raw = batch->memory;

	if (d->compressor == NULL || batch->large ||
		!fc_record_batch_compress(d->compressor, &batch->records,
			d->pool.spare + FC_PRODUCE_PARTITION_HEAD_BYTES, batch->capacity)) {
		fc_record_batch_seal(&batch->records, FC_CODEC_NONE);
		return;
	}
	batch->memory = d->pool.spare;
	d->pool.spare = raw;
}

static void seal(struct fc_direct *d, struct fc_batch *batch)
{
	TAILQ_REMOVE(&d->open, batch, link);
	d->routes[batch->partition].order.open = NULL;
	fc_accumulate_seal(d, batch);
	if (batch->partition == d->sticky)
		d->sticky = next_sticky(d, (d->sticky + 1) % d->partitions);
	fc_deliver(d, batch);
}

static struct fc_batch *open_batch(struct fc_direct *d, int32_t partition, const struct fc_record *record)
{
	uint64_t bytes = fc_record_batch_bytes_max(record);
	struct fc_batch *batch;

	if (d->spill != NULL && fc_spill_keeps(d, bytes))
		return NULL;
	batch = fc_batch_take(&d->pool, bytes);
	if (batch == NULL)
		return NULL;
	// The topic's limit may have become smaller since the pool was made.
	batch->records.capacity = RTE_MIN(batch->capacity, d->batch_bytes_max);
	batch->partition = partition;
	batch->opened_ns = d->now_ns;
	d->routes[partition].order.open = batch;
	TAILQ_INSERT_TAIL(&d->open, batch, link);
	return batch;
}

static int32_t choose(const struct fc_direct *d, const struct rte_mbuf *m, uint64_t key_us)
{
	if (d->config->partition == FC_PARTITION_STICKY)
		return d->sticky;
	return fc_partition_choose(d->config->partition, m, key_us, d->place.lane, d->partitions);
}

// Those that are open hold memory without moving: the oldest that can goes out now. Not one whose partition will get
// an answer anyway: that gives memory back, and until then it fills up.
static void make_room(struct fc_direct *d)
{
	bool to_disk = d->spill != NULL && fc_spill_can_write(d);
	struct fc_batch *batch;

	TAILQ_FOREACH(batch, &d->open, link)
	{
		bool fills_up = fc_route_would_wait(d, batch->partition) || fc_route_is_under_way(d, batch->partition);

		if (to_disk || !fills_up) {
			seal(d, batch);
			return;
		}
	}
}

// Where the record's value goes; NULL when no batch is free.
static uint8_t *place(struct fc_direct *d, const struct rte_mbuf *m, const struct fc_record *record)
{
	for (;;) {
		int32_t partition = choose(d, m, record->key_us);
		struct fc_batch *batch = d->routes[partition].order.open;
		uint8_t *at;

		if (batch == NULL)
			batch = open_batch(d, partition, record);
		if (batch == NULL) {
			make_room(d);
			return NULL;
		}
		at = fc_record_batch_append(&batch->records, record);
		if (at == NULL) {
			seal(d, batch);
			continue;
		}
		// One large record alone: there is no room for halves if a broker does not take it after all.
		if (unlikely(batch->large))
			batch->records.capacity = batch->records.bytes;
		return at;
	}
}

// Fills in what differs from packet to packet.
static void fill_headers(struct fc_message_headers *headers, const struct fc_packet *packet)
{
	headers->original_bytes = packet->original_bytes;
	headers->sequence = packet->sequence;
	headers->time_ns = packet->time_ns;
}

static void prefetch_mbuf(const struct rte_mbuf *m)
{
	rte_prefetch0(m);
	rte_prefetch0((const uint8_t *)m + RTE_CACHE_LINE_MIN_SIZE); // struct fc_packet
}

uint16_t fc_accumulate(struct fc_direct *d, struct rte_mbuf **packets, uint16_t n)
{
	int64_t now_ms = (int64_t)(fc_now_ns() / FC_NS_PER_MS);
	struct fc_message_headers headers = d->place.origin;
	struct fc_record record = {.headers = d->config->headers ? &headers : NULL};
	uint64_t refused = 0, bytes = 0;
	uint16_t k;

	d->now_ns = fc_monotonic_ns();
	for (k = 0; k < RTE_MIN(n, PREFETCH_MBUF); k++)
		prefetch_mbuf(packets[k]);
	for (k = 0; k < RTE_MIN(n, PREFETCH_FRAME); k++)
		rte_prefetch0(rte_pktmbuf_mtod(packets[k], void *));
	for (k = 0; k < n; k++) {
		struct rte_mbuf *m = packets[k];
		const struct fc_packet *packet = fc_packet(m);
		uint8_t *at;

		if (k + PREFETCH_MBUF < n)
			prefetch_mbuf(packets[k + PREFETCH_MBUF]);
		if (k + PREFETCH_FRAME < n)
			rte_prefetch0(rte_pktmbuf_mtod(packets[k + PREFETCH_FRAME], void *));
		record.key_us = packet->time_ns / FC_NS_PER_US;
		record.create_ms = packet->create_time_now ? now_ms : (int64_t)(record.key_us / 1000);
		record.value_bytes = m->pkt_len;
		fill_headers(&headers, packet);
		if (unlikely(is_too_large(d, &record))) {
			refused++;
			continue;
		}
		at = place(d, m, &record);
		if (at == NULL)
			break;
		copy_value(at, m);
		bytes += m->pkt_len;
	}
	rte_pktmbuf_free_bulk(packets, k);
	fc_counter_add(&d->base.counters->refused, refused);
	fc_counter_add(&d->base.counters->kafka_in, k - refused);
	fc_counter_add(&d->base.counters->bytes, bytes);
	return k;
}

// Where it would only wait, a batch stays open beyond its time: sealed, a few packets hold the memory of many, and a
// leader that is away for a second would take all there is. The same goes for brokers that are slow to answer, once
// half of the memory is on its way: then a partition has one batch that fills up while others fly. But a batch is given
// up as a whole when its first packet is too old, so its last one must not be much younger.
static bool stays_open(const struct fc_direct *d, const struct fc_batch *batch)
{
	int64_t age_max_ns = d->config->direct.delivery_timeout_ms * FC_NS_PER_MS / OPEN_SHARE;

	if (d->spill != NULL && fc_spill_is_behind(d))
		return d->now_ns - batch->opened_ns < QUEUE_OPEN_NS;
	if (age_max_ns > 0 && d->now_ns - batch->opened_ns >= age_max_ns)
		return false;
	return fc_route_would_wait(d, batch->partition) ||
	       (fc_batch_are_scarce(&d->pool) && fc_route_is_under_way(d, batch->partition));
}

void fc_accumulate_linger(struct fc_direct *d, bool all)
{
	int64_t until_ns = d->now_ns - (int64_t)d->config->direct.linger_us * FC_NS_PER_US;
	bool look_behind = d->now_ns >= d->linger_tick_ns;
	struct fc_batch *batch, *next;

	for (batch = TAILQ_FIRST(&d->open); batch != NULL && (all || batch->opened_ns <= until_ns); batch = next) {
		next = TAILQ_NEXT(batch, link);
		if (all || !stays_open(d, batch)) {
			seal(d, batch);
			continue;
		}
		// There may be as many of them as partitions: not in every round.
		if (!look_behind)
			break;
		d->linger_tick_ns = d->now_ns + LINGER_TICK_NS;
		if (batch->partition == d->sticky && fc_route_would_wait(d, batch->partition) &&
			(d->spill == NULL || !fc_spill_is_behind(d)))
			d->sticky = next_sticky(d, d->sticky);
	}
}
