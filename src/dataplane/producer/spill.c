#include "spill.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_common.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include "../clock.h"
#include "../error.h"
#include "../stats/counter.h"
#include "direct_state.h"
#include "spill_thread.h"

// Before writing is tried again: there is no room in --spill-max, or the disk has failed.
#define FULL_NS (50 * FC_NS_PER_MS)
#define FAILED_NS (10 * FC_NS_PER_S)
#define KEEP_S 8

enum {
	READING_MAX = 16,
	WRITING_MAX = FC_SPILL_REPLIES_MAX - READING_MAX,
	// Enough to be written, read back and sent at a time.
	BATCHES_MIN = 12,
	// Fewer free batches for large records than these are too few: one that is open, one that is read back.
	LARGE_LOW = 2,
	// Those that are left for reading while something is queued: with none, nothing would ever move again.
	KEPT_FOR_READING = 2,
	KEPT_FOR_READING_LARGE = 1,
	NAP_NS = 50000,
};

// A batch on the disk that has been read and is not settled. The worker's.
struct fc_spill_origin {
	SLIST_ENTRY(fc_spill_origin) link; // of `unused` or `done`
	struct fc_spill_place place;
	uint32_t packets; // not settled
	bool large;       // what it was read into
};

SLIST_HEAD(fc_spill_origins, fc_spill_origin);

struct fc_spill {
	struct fc_spill_thread thread;

	// The queue, from its head on: on the disk; being written; refused, for another attempt; in memory.
	uint64_t on_disk;             // batches, those that are being read among them
	unsigned writing;             // batches
	struct fc_batch_list refused; // in order
	struct fc_batch_list memory;  // in order
	unsigned in_memory;           // batches, refused ones among them
	unsigned in_memory_max;       // of those that wait for what is on the disk, with memory to spare
	unsigned reading;             // letters
	uint32_t wanted_bytes;        // of the next batch, for which an ordinary one is too small; or 0
	uint32_t attempt;             // of writing
	int64_t retry_ns;             // monotonic: not before
	uint32_t low;                 // fewer free batches are too few

	struct fc_spill_origin *origins; // owned: as many as batches
	struct fc_spill_origins unused, done;
	unsigned out[2]; // batches that are being read, or have been and are not settled: ordinary ones, large ones
};

// Tells the thread which batches are settled, as far as its mailbox takes it.
static void tell_done(struct fc_spill *s)
{
	struct fc_spill_origin *origin;

	while ((origin = SLIST_FIRST(&s->done)) != NULL) {
		if (!fc_mailbox_post(&s->thread.letters,
			    &(struct fc_spill_letter){.task = FC_SPILL_DONE, .place = origin->place}))
			return;
		SLIST_REMOVE_HEAD(&s->done, link);
		SLIST_INSERT_HEAD(&s->unused, origin, link);
	}
}

// ---- making ---------------------------------------------------------------------------------------------------------

static int take_over(struct fc_direct *d, struct fc_spill *s, struct fc_spill_directory *directory)
{
	uint32_t room = RTE_MAX(d->pool.batch_bytes, d->pool.large_bytes);
	struct fc_spill_found found;
	int error = fc_spill_files_open(&s->thread.files, directory, d->place.worker, d->config->topic,
		atomic_load(&d->topic->partitions), &found);

	if (error != 0)
		return error;
	if (found.torn_bytes > 0)
		fc_event(d->base.events, LOG_WARNING,
			"--spill %s: %" PRIu64 " bytes of batches that were not written to their end are dropped",
			directory->path, found.torn_bytes);
	if (found.batch_bytes_max > room)
		return fc_error(EINVAL,
			"--spill %s has batches of up to %u bytes, there is room for %u; raise --buffer-memory, "
			"batch.size or "
			"the topic's max.message.bytes",
			directory->path, found.batch_bytes_max, room);
	if (found.packets > 0)
		fc_event(d->base.events, LOG_NOTICE, "--spill %s: %" PRIu64 " packets of an earlier run go out first",
			directory->path, found.packets);
	s->on_disk = found.batches;
	fc_counter_set(&d->base.counters->recovered, found.packets);
	fc_counter_set(&d->base.counters->spilled, found.packets);
	return 0;
}

struct fc_spill *fc_spill_open(struct fc_direct *d, struct fc_spill_directory *directory, uint32_t open_at_once)
{
	uint32_t count = d->pool.count, total = count + d->pool.large_count, k;
	struct fc_spill *s;

	if (count < BATCHES_MIN) {
		fc_error(EINVAL,
			"--spill needs memory for %d batches, there are %u of %u bytes; raise --buffer-memory or lower "
			"batch.size",
			BATCHES_MIN, count, d->pool.batch_bytes);
		return NULL;
	}
	s = calloc(1, sizeof *s);
	if (s == NULL) {
		fc_error(ENOMEM, "out of memory");
		return NULL;
	}
	TAILQ_INIT(&s->refused);
	TAILQ_INIT(&s->memory);
	SLIST_INIT(&s->unused);
	SLIST_INIT(&s->done);
	s->attempt = 1;
	s->in_memory_max = count / 8;
	// For what is open, and for what arrives while batches are written.
	s->low = RTE_MAX(RTE_MAX(count / 4, RTE_MIN(open_at_once, count / 2)), (uint32_t)KEPT_FOR_READING + 2);
	s->origins = calloc(total, sizeof *s->origins);
	if (s->origins == NULL) {
		fc_error(ENOMEM, "out of memory");
		fc_spill_close(s);
		return NULL;
	}
	for (k = 0; k < total; k++)
		SLIST_INSERT_HEAD(&s->unused, &s->origins[k], link);
	if (take_over(d, s, directory) != 0 ||
		fc_spill_thread_start(&s->thread, d->base.events, d->place.worker) != 0) {
		fc_spill_close(s);
		return NULL;
	}
	return s;
}

void fc_spill_close(struct fc_spill *s)
{
	if (s == NULL)
		return;
	while (s->thread.started && !SLIST_EMPTY(&s->done)) {
		tell_done(s);
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
	fc_spill_thread_end(&s->thread);
	fc_spill_files_close(&s->thread.files);
	free(s->origins);
	free(s);
}

// ---- what the rest asks ---------------------------------------------------------------------------------------------

bool fc_spill_is_behind(const struct fc_direct *d)
{
	const struct fc_spill *s = d->spill;

	return s->on_disk > 0 || s->writing > 0 || s->in_memory > 0;
}

bool fc_spill_can_write(const struct fc_direct *d)
{
	return d->now_ns >= d->spill->retry_ns;
}

static bool has_few(const struct fc_direct *d, bool large)
{
	return fc_batch_available(&d->pool, large) <= (large ? LARGE_LOW : d->spill->low);
}

static bool is_short(const struct fc_direct *d)
{
	return has_few(d, false) || (d->pool.large_count > 0 && has_few(d, true));
}

bool fc_spill_wants(const struct fc_direct *d)
{
	return fc_spill_is_behind(d) || (is_short(d) && fc_spill_can_write(d));
}

bool fc_spill_keeps(const struct fc_direct *d, uint64_t bytes)
{
	bool large = bytes > d->pool.batch_bytes;
	unsigned kept = large ? KEPT_FOR_READING_LARGE : KEPT_FOR_READING;

	kept -= RTE_MIN(kept, d->spill->out[large]); // those are in use for it
	return fc_spill_is_behind(d) && fc_batch_available(&d->pool, large) <= kept;
}

void fc_spill_add(struct fc_direct *d, struct fc_batch *batch)
{
	TAILQ_INSERT_TAIL(&d->spill->memory, batch, link);
	d->spill->in_memory++;
}

static struct fc_batch *first_in_memory(const struct fc_spill *s)
{
	return TAILQ_FIRST(&s->memory);
}

static void remove_first(struct fc_spill *s)
{
	TAILQ_REMOVE(&s->memory, TAILQ_FIRST(&s->memory), link);
	s->in_memory--;
}

// ---- replies --------------------------------------------------------------------------------------------------------

void fc_spill_settled(struct fc_direct *d, const struct fc_batch *batch)
{
	struct fc_spill_origin *origin = batch->origin;

	origin->packets -= RTE_MIN(origin->packets, batch->records.records);
	if (origin->packets > 0)
		return;
	d->spill->out[origin->large]--;
	SLIST_INSERT_HEAD(&d->spill->done, origin, link);
}

static void written(struct fc_direct *d, struct fc_batch *batch)
{
	struct fc_tx_counters *counters = d->base.counters;

	d->spill->on_disk++;
	fc_counter_add(&counters->spilled, batch->records.records);
	if (batch->origin != NULL)
		fc_spill_settled(d, batch); // it was there before, in its old place
	else
		fc_counter_add(&counters->spill_written, batch->records.records);
	fc_batch_give_back(&d->pool, batch);
}

static void refused(struct fc_direct *d, const struct fc_spill_reply *reply)
{
	struct fc_spill *s = d->spill;

	TAILQ_INSERT_TAIL(&s->refused, reply->batch, link);
	s->in_memory++;
	s->retry_ns = d->now_ns + (reply->full ? FULL_NS : FAILED_NS);
	if (TAILQ_FIRST(&s->refused) == reply->batch)
		fc_counter_add(&d->base.counters->spill_refusals, 1);
}

static void has_read(struct fc_direct *d, const struct fc_spill_reply *reply)
{
	struct fc_spill *s = d->spill;
	struct fc_spill_origin *origin = SLIST_FIRST(&s->unused); // there are as many as batches
	struct fc_batch *batch = reply->batch;

	SLIST_REMOVE_HEAD(&s->unused, link);
	*origin = (struct fc_spill_origin){
		.place = reply->place, .packets = batch->records.records, .large = batch->large};
	s->on_disk--;
	s->wanted_bytes = 0;
	batch->origin = origin;
	batch->opened_ns = d->now_ns;
	fc_counter_add(&d->base.counters->spilled, -(uint64_t)batch->records.records);
	fc_counter_add(&d->base.counters->spill_replayed, batch->records.records);
	fc_deliver_admit(d, batch);
}

static void lost(struct fc_direct *d, const struct fc_spill_reply *reply)
{
	d->spill->on_disk -= RTE_MIN(reply->lost.batches, d->spill->on_disk);
	d->spill->out[reply->batch->large]--;
	fc_counter_add(&d->base.counters->spilled, -reply->lost.packets);
	fc_counter_add(&d->base.counters->failed, reply->lost.packets);
	fc_batch_give_back(&d->pool, reply->batch);
}

static void serve_replies(struct fc_direct *d)
{
	struct fc_spill *s = d->spill;
	struct fc_spill_reply reply;

	while (fc_mailbox_collect(&s->thread.replies, &reply)) {
		d->settled++; // for the worker: there is something to do
		s->writing -= reply.result == FC_SPILL_WRITTEN || reply.result == FC_SPILL_REFUSED;
		s->reading -= reply.result != FC_SPILL_WRITTEN && reply.result != FC_SPILL_REFUSED;
		switch (reply.result) {
		case FC_SPILL_WRITTEN:
			written(d, reply.batch);
			break;
		case FC_SPILL_REFUSED:
			refused(d, &reply);
			break;
		case FC_SPILL_HAS_READ:
			has_read(d, &reply);
			break;
		case FC_SPILL_TOO_SMALL:
			s->wanted_bytes = reply.bytes;
			s->out[reply.batch->large]--;
			fc_batch_give_back(&d->pool, reply.batch);
			break;
		case FC_SPILL_LOST:
			lost(d, &reply);
			break;
		}
	}
	// All of the attempt have come back: they are the first again.
	if (s->writing == 0 && !TAILQ_EMPTY(&s->refused)) {
		TAILQ_CONCAT(&s->refused, &s->memory, link);
		TAILQ_CONCAT(&s->memory, &s->refused, link);
		s->attempt++;
	}
}

// ---- rounds ---------------------------------------------------------------------------------------------------------

// What is in memory and has nothing before it goes the usual way, unless it is better on the disk.
static void admit(struct fc_direct *d)
{
	struct fc_spill *s = d->spill;
	struct fc_batch *batch;

	while (s->on_disk == 0 && s->writing == 0 && (batch = first_in_memory(s)) != NULL &&
		!(is_short(d) && fc_spill_can_write(d))) {
		remove_first(s);
		fc_deliver_admit(d, batch);
	}
}

static bool post_first(struct fc_spill *s)
{
	struct fc_batch *batch = first_in_memory(s);

	if (batch == NULL || s->writing == WRITING_MAX || !TAILQ_EMPTY(&s->refused) ||
		!fc_mailbox_post(&s->thread.letters, &(struct fc_spill_letter){
							     .task = FC_SPILL_WRITE,
							     .attempt = s->attempt,
							     .batch = batch,
						     }))
		return false;
	remove_first(s);
	s->writing++;
	return true;
}

// With memory to spare, what is queued last stays in it: the disk will be empty soon.
static void write_out(struct fc_direct *d)
{
	struct fc_spill *s = d->spill;

	while (fc_spill_can_write(d) && (is_short(d) || (s->on_disk > 0 && s->in_memory > s->in_memory_max)))
		if (!post_first(s))
			return;
}

static bool may_read(const struct fc_direct *d)
{
	const struct fc_spill *s = d->spill;
	bool large = s->wanted_bytes > d->pool.batch_bytes;

	// While the mailbox has no room for what is done, nothing is begun: so there is an origin for each that is
	// read.
	if (!SLIST_EMPTY(&s->done) || s->on_disk <= s->reading || s->reading == READING_MAX ||
		(s->wanted_bytes > 0 && s->reading > 0))
		return false;
	// What is free is for those who write, as long as they can; but whatever happens, something has to move.
	return !has_few(d, large) || !fc_spill_can_write(d) || s->out[large] == 0;
}

static void read_back(struct fc_direct *d)
{
	struct fc_spill *s = d->spill;
	struct fc_batch *batch;

	while (may_read(d) && (batch = fc_batch_take(&d->pool, s->wanted_bytes)) != NULL) {
		if (!fc_mailbox_post(
			    &s->thread.letters, &(struct fc_spill_letter){.task = FC_SPILL_READ, .batch = batch})) {
			fc_batch_give_back(&d->pool, batch);
			return;
		}
		s->reading++;
		s->out[batch->large]++;
	}
}

void fc_spill_round(struct fc_direct *d)
{
	serve_replies(d);
	tell_done(d->spill);
	// Without a producer id nothing can be numbered.
	if (!fc_spill_is_behind(d) || d->identity.generation == 0)
		return;
	admit(d);
	write_out(d);
	read_back(d);
}

// ---- the end --------------------------------------------------------------------------------------------------------

// Serves replies until none is due; false when that takes too long.
static bool settle_letters(struct fc_direct *d, int64_t deadline_ns)
{
	const struct fc_spill *s = d->spill;

	for (;;) {
		serve_replies(d);
		tell_done(d->spill);
		if (s->writing == 0 && s->reading == 0 && SLIST_EMPTY(&s->done))
			return true;
		if (fc_monotonic_ns() >= deadline_ns)
			return false;
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
}

// Writes what is queued, as far as that is possible.
static void keep_queue(struct fc_direct *d, int64_t deadline_ns)
{
	uint32_t attempt = d->spill->attempt;

	do {
		while (post_first(d->spill))
			;
		if (!settle_letters(d, deadline_ns))
			return;
	} while (first_in_memory(d->spill) != NULL && d->spill->attempt == attempt);
}

// The oldest batch of a partition that is not settled, taken out of it.
static struct fc_batch *take_oldest(struct fc_partition *order)
{
	struct fc_batch *flying = TAILQ_FIRST(&order->flying), *waiting = TAILQ_FIRST(&order->waiting);

	if (flying == NULL)
		return waiting == NULL ? NULL : fc_partition_expire(order);
	if (waiting != NULL && waiting->order < flying->order)
		return fc_partition_expire(order);
	fc_partition_lost(order, flying);
	return flying;
}

// What was not written after all: still on the disk if it came from there, or else given up.
static void give_up(struct fc_direct *d, struct fc_batch *batch)
{
	uint64_t *counter = batch->origin != NULL ? &d->base.counters->spilled : &d->base.counters->failed;

	fc_counter_add(counter, batch->records.records);
	fc_batch_give_back(&d->pool, batch);
}

// Writes what partitions have before all that is queued: it is older.
static uint64_t keep_partitions(struct fc_direct *d, int64_t deadline_ns)
{
	struct fc_spill *s = d->spill;
	uint64_t unsure = 0;
	int32_t k;

	for (k = 0; k < d->partitions; k++) {
		struct fc_batch *batch;

		while ((batch = take_oldest(&d->routes[k].order)) != NULL) {
			unsure += batch->sent ? batch->records.records : 0;
			fc_spill_add(d, batch);
			// One after the other: when one is refused, nothing behind it is written.
			if (!post_first(s) || !settle_letters(d, deadline_ns) || first_in_memory(s) != NULL)
				return unsure;
		}
	}
	return unsure;
}

void fc_spill_keep(struct fc_direct *d)
{
	struct fc_spill *s = d->spill;
	int64_t deadline_ns = fc_monotonic_ns() + KEEP_S * FC_NS_PER_S;
	struct fc_batch *batch;
	uint64_t unsure = 0;
	int32_t k;

	d->now_ns = fc_monotonic_ns();
	if (settle_letters(d, deadline_ns))
		keep_queue(d, deadline_ns);
	while ((batch = first_in_memory(s)) != NULL) {
		remove_first(s);
		give_up(d, batch);
	}
	if (s->writing == 0 && fc_mailbox_post(&s->thread.letters, &(struct fc_spill_letter){.task = FC_SPILL_TURN}))
		unsure = keep_partitions(d, deadline_ns);
	while ((batch = first_in_memory(s)) != NULL) {
		remove_first(s);
		give_up(d, batch);
	}
	for (k = 0; k < d->partitions; k++)
		while ((batch = take_oldest(&d->routes[k].order)) != NULL)
			give_up(d, batch);
	if (unsure > 0)
		fc_event(d->base.events, LOG_WARNING,
			"--spill %s: %" PRIu64
			" of the packets kept had been sent and not answered: they may be there twice",
			s->thread.files.directory->path, unsure);
}
