#include "direct.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "../clock.h"
#include "../error.h"
#include "../packet.h"
#include "../stats/counter.h"
#include "direct_state.h"

enum {
	LETTERS = 16,
	ASKS = 64,
	FLUSH_NAP_NS = 50000,
	// What a record and its batch take around the value, with the longest headers.
	RECORD_OVERHEAD_BYTES = 1024,
};

static uint16_t direct_send_burst(struct fc_producer *p, struct rte_mbuf **packets, uint16_t n)
{
	struct fc_direct *d = (struct fc_direct *)p;

	return d->identity.generation > 0 ? fc_accumulate(d, packets, n) : 0;
}

static unsigned round_of(struct fc_direct *d, bool seal_all)
{
	d->now_ns = fc_monotonic_ns();
	d->settled = 0;
	fc_accumulate_linger(d, seal_all);
	if (d->spill != NULL)
		fc_spill_round(d);
	fc_deliver_round(d);
	fc_counter_set(&d->base.counters->buffer_permille, fc_batch_pool_permille(&d->pool));
	return (unsigned)d->settled;
}

static unsigned direct_poll(struct fc_producer *p)
{
	return round_of((struct fc_direct *)p, false);
}

static bool direct_flush(struct fc_producer *p, int timeout_ms)
{
	struct fc_direct *d = (struct fc_direct *)p;
	int64_t deadline_ns = fc_monotonic_ns() + timeout_ms * FC_NS_PER_MS;

	for (;;) {
		unsigned settled = round_of(d, true);

		if (fc_producer_in_flight(p) == 0 && p->counters->spilled == 0)
			return true;
		if (d->now_ns >= deadline_ns)
			return false;
		if (settled == 0)
			nanosleep(&(struct timespec){.tv_nsec = FLUSH_NAP_NS}, NULL);
	}
}

static void direct_abandon(struct fc_producer *p)
{
	struct fc_direct *d = (struct fc_direct *)p;
	uint64_t failed = p->counters->failed;

	fc_accumulate_linger(d, true);
	if (d->spill != NULL)
		fc_spill_keep(d);
	fc_deliver_abandon(d);
	// Nothing, unless a disk does not answer.
	fc_counter_add(&p->counters->failed, fc_producer_in_flight(p));
	fc_counter_add(&p->counters->abandoned, p->counters->failed - failed);
	fc_counter_set(&p->counters->buffer_permille, 0);
}

static void direct_close(struct fc_producer *p)
{
	struct fc_direct *d = (struct fc_direct *)p;
	struct fc_letter letter;
	unsigned k;

	while (d->letters.letters != NULL && fc_mailbox_collect(&d->letters, &letter))
		if (letter.kind == FC_LETTER_CONNECTION)
			fc_transport_close(letter.transport);
	for (k = 0; d->brokers != NULL && k < FC_BROKERS_MAX; k++) {
		fc_transport_close(d->brokers[k].next);
		fc_connection_destroy(&d->brokers[k].connection);
	}
	fc_spill_close(d->spill);
	fc_compressor_close(d->compressor);
	fc_decompressor_close(d->decompressor);
	fc_batch_pool_close(&d->pool);
	fc_mailbox_close(&d->letters);
	fc_mailbox_close(&d->asks);
	free(d->brokers);
	free(d->routes);
	free(d);
}

static const struct fc_producer_ops ops = {
	.send_burst = direct_send_burst,
	.poll = direct_poll,
	.flush = direct_flush,
	.abandon = direct_abandon,
	.close = direct_close,
};

static uint32_t open_at_once(const struct fc_direct *d)
{
	switch (d->config->partition) {
	case FC_PARTITION_FLOW:
	case FC_PARTITION_KEY:
		return (uint32_t)atomic_load(&d->topic->partitions);
	case FC_PARTITION_STICKY:
	case FC_PARTITION_QUEUE:
		break;
	}
	return 1;
}

// What is written to the disk should not take all memory at once: smaller batches, if there is little.
enum { SPILL_SHARES = 16 };

static int open_spill(struct fc_direct *d, struct fc_spill_directory *directory)
{
	if (directory == NULL)
		return 0;
	d->spill = fc_spill_open(d, directory, open_at_once(d));
	return d->spill != NULL ? 0 : -EINVAL;
}

static int open_parts(struct fc_direct *d, struct fc_spill_directory *spill)
{
	const struct fc_direct_config *config = &d->config->direct;
	uint32_t topic_bytes = atomic_load(&d->topic->batch_bytes_max), batch_bytes, shares, k;
	int error;

	if (atomic_load(&d->topic->generation) == 0)
		return fc_error(EINVAL, "the direct producer starts with the topic's metadata");
	shares = spill != NULL ? RTE_MAX(open_at_once(d), (uint32_t)SPILL_SHARES) : open_at_once(d);
	batch_bytes = fc_batch_bytes(config->buffer_bytes, RTE_MIN(config->batch_bytes_max, topic_bytes), shares);
	d->routes = calloc(FC_PARTITIONS_MAX, sizeof *d->routes);
	d->brokers = calloc(FC_BROKERS_MAX, sizeof *d->brokers);
	if (d->routes == NULL || d->brokers == NULL)
		return fc_error(ENOMEM, "out of memory");
	error = fc_mailbox_open(&d->letters, LETTERS, sizeof(struct fc_letter));
	if (error == 0)
		error = fc_mailbox_open(&d->asks, ASKS, sizeof(struct fc_direct_ask));
	for (k = 0; error == 0 && k < FC_BROKERS_MAX; k++)
		error = fc_connection_init(&d->brokers[k].connection);
	if (error == 0)
		error = fc_batch_pool_open(&d->pool, config->buffer_bytes, batch_bytes,
			RTE_MIN(topic_bytes, (uint32_t)(FC_FRAME_BYTES_MAX + RECORD_OVERHEAD_BYTES)));
	if (error == 0 && config->codec != FC_CODEC_NONE) {
		d->compressor = fc_compressor_create((enum fc_codec)config->codec, config->codec_level, batch_bytes);
		error = d->compressor != NULL ? 0 : -EINVAL;
	}
	if (error == 0 && (config->codec != FC_CODEC_NONE || spill != NULL)) {
		// An earlier run may have compressed otherwise what it has left.
		d->decompressor = fc_decompressor_create(spill != NULL ? FC_CODEC_NONE : (enum fc_codec)config->codec);
		error = d->decompressor != NULL ? 0 : -EINVAL;
	}
	return error == 0 ? open_spill(d, spill) : error;
}

struct fc_producer *fc_producer_direct(const struct fc_pipeline_config *config, const struct fc_producer_place *place,
	const struct fc_topic *topic, struct fc_spill_directory *spill, struct fc_tx_counters *counters,
	struct fc_events *events)
{
	struct fc_direct *d = calloc(1, sizeof *d);

	if (d == NULL) {
		fc_error(ENOMEM, "out of memory");
		return NULL;
	}
	d->base = (struct fc_producer){.ops = &ops, .counters = counters, .events = events};
	d->config = config;
	d->topic = topic;
	d->place = *place;
	d->random = 2463534242u + place->worker; // any but 0
	TAILQ_INIT(&d->open);
	TAILQ_INIT(&d->held);
	if (open_parts(d, spill) != 0) {
		direct_close(&d->base);
		return NULL;
	}
	fc_deliver_begin(d);
	d->sticky = place->worker % d->partitions; // workers start apart
	return &d->base;
}

bool fc_direct_next_ask(struct fc_producer *p, struct fc_direct_ask *ask)
{
	struct fc_direct *d = (struct fc_direct *)p;

	if (!fc_mailbox_collect(&d->asks, ask))
		return false;
	ask->worker = d->place.worker;
	return true;
}

bool fc_direct_give_identity(struct fc_producer *p, int64_t producer_id, int16_t epoch)
{
	struct fc_letter letter = {.kind = FC_LETTER_IDENTITY, .producer_id = producer_id, .epoch = epoch};

	return fc_mailbox_post(&((struct fc_direct *)p)->letters, &letter);
}

bool fc_direct_give_connection(struct fc_producer *p, int32_t node, struct fc_transport *transport, int16_t version)
{
	struct fc_letter letter = {
		.kind = FC_LETTER_CONNECTION, .node = node, .transport = transport, .version = version};

	return fc_mailbox_post(&((struct fc_direct *)p)->letters, &letter);
}
