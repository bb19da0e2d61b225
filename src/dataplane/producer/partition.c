#include "partition.h"

// Room for a batch to be split sixteen times, into single records of 64 Ki.
enum { ORDER_SPAN = 1 << 16 };

void fc_partition_init(struct fc_partition *p)
{
	*p = (struct fc_partition){.open = NULL};
	TAILQ_INIT(&p->waiting);
	TAILQ_INIT(&p->flying);
}

// The sequence number behind so many records. After INT32_MAX comes 0 (DefaultRecordBatch.incrementSequence).
static int32_t after(int32_t sequence, uint32_t records)
{
	int64_t next = (int64_t)sequence + records;

	return (int32_t)(next > INT32_MAX ? next - INT32_MAX - 1 : next);
}

static void stamp_as(const struct fc_partition *p, struct fc_batch *batch, int32_t base_sequence)
{
	fc_record_batch_stamp(
		batch->records.start, batch->records.bytes, p->identity.producer_id, p->identity.epoch, base_sequence);
	batch->base_sequence = base_sequence;
	batch->sequenced = true;
}

static void stamp(struct fc_partition *p, struct fc_batch *batch)
{
	stamp_as(p, batch, p->next_sequence);
	p->next_sequence = after(p->next_sequence, batch->records.records);
}

static bool is_renewing(const struct fc_partition *p)
{
	return p->renew || p->replace;
}

// Whether what waits next needs new numbers first.
static bool is_at_gap(const struct fc_partition *p)
{
	const struct fc_batch *batch = TAILQ_FIRST(&p->waiting);

	return is_renewing(p) && (batch == NULL || batch->order >= p->gap);
}

static void renew_from(struct fc_partition *p, uint64_t order)
{
	if (!is_renewing(p) || order < p->gap)
		p->gap = order;
}

// Goes on with the numbers that there are.
static void renew_no_more(struct fc_partition *p)
{
	struct fc_batch *batch;

	p->renew = p->replace = false;
	TAILQ_FOREACH(batch, &p->waiting, link)
	if (!batch->sequenced)
		stamp(p, batch);
}

void fc_partition_add(struct fc_partition *p, struct fc_batch *batch, const struct fc_identity *current)
{
	batch->order = ORDER_SPAN * p->sealed++;
	batch->span = ORDER_SPAN;
	TAILQ_INSERT_TAIL(&p->waiting, batch, link);
	if (p->identity.generation == 0) {
		p->identity = *current;
		p->next_sequence = 0;
	}
	// One that is to be renumbered with those before it gets its numbers then.
	if (!is_renewing(p))
		stamp(p, batch);
}

struct fc_batch *fc_partition_next(const struct fc_partition *p)
{
	unsigned flying_max = p->known ? FC_PARTITION_FLYING_MAX : 1;

	if (p->returned || is_at_gap(p) || p->flying_count >= flying_max)
		return NULL;
	return TAILQ_FIRST(&p->waiting);
}

void fc_partition_fly(struct fc_partition *p, struct fc_batch *batch)
{
	TAILQ_REMOVE(&p->waiting, batch, link);
	TAILQ_INSERT_TAIL(&p->flying, batch, link);
	p->flying_count++;
	batch->sent = true;
}

bool fc_partition_is_first(const struct fc_partition *p, const struct fc_batch *batch)
{
	const struct fc_batch *waiting = TAILQ_FIRST(&p->waiting);

	return TAILQ_FIRST(&p->flying) == batch && (waiting == NULL || waiting->order > batch->order);
}

bool fc_partition_is_behind_gap(const struct fc_partition *p, const struct fc_batch *batch)
{
	return is_renewing(p) && p->gap < batch->order;
}

static void land(struct fc_partition *p, struct fc_batch *batch)
{
	TAILQ_REMOVE(&p->flying, batch, link);
	p->flying_count--;
}

void fc_partition_delivered(struct fc_partition *p, struct fc_batch *batch)
{
	p->known = true;
	land(p, batch);
	// There is no gap before it, whatever was said: what is behind it may be written, too.
	if (fc_partition_is_behind_gap(p, batch))
		renew_no_more(p);
}

struct fc_batch *fc_partition_implied(struct fc_partition *p, uint64_t order)
{
	struct fc_batch *batch = TAILQ_FIRST(&p->waiting);

	if (batch == NULL || batch->order > order)
		return NULL;
	TAILQ_REMOVE(&p->waiting, batch, link);
	return batch;
}

void fc_partition_lost(struct fc_partition *p, struct fc_batch *batch)
{
	land(p, batch);
	p->returned = true;
	renew_from(p, batch->order);
	p->renew = true;
}

// Puts a batch among those waiting, in its place.
static void wait_again(struct fc_partition *p, struct fc_batch *batch)
{
	struct fc_batch *behind = TAILQ_FIRST(&p->waiting);

	while (behind != NULL && behind->order < batch->order)
		behind = TAILQ_NEXT(behind, link);
	if (behind != NULL)
		TAILQ_INSERT_BEFORE(behind, batch, link);
	else
		TAILQ_INSERT_TAIL(&p->waiting, batch, link);
}

void fc_partition_return(struct fc_partition *p, struct fc_batch *batch, enum fc_partition_remedy remedy)
{
	land(p, batch);
	p->returned = true;
	if (remedy != FC_REMEDY_NONE)
		renew_from(p, batch->order);
	p->renew |= remedy == FC_REMEDY_RENEW;
	p->replace |= remedy == FC_REMEDY_REPLACE;
	batch->perhaps_written = remedy == FC_REMEDY_NONE;
	wait_again(p, batch);
}

bool fc_partition_split(struct fc_partition *p, struct fc_batch *batch, struct fc_batch *first, struct fc_batch *second)
{
	uint64_t span = batch->span / 2;

	if (span == 0)
		return false;
	land(p, batch);
	p->returned = true;
	first->order = batch->order;
	second->order = batch->order + span;
	first->span = second->span = span;
	stamp_as(p, first, batch->base_sequence);
	stamp_as(p, second, after(batch->base_sequence, first->records.records));
	wait_again(p, first);
	wait_again(p, second);
	return true;
}

bool fc_partition_may_expire(const struct fc_partition *p)
{
	const struct fc_batch *batch = TAILQ_FIRST(&p->waiting);

	return batch != NULL && (!batch->sent || p->flying_count == 0);
}

struct fc_batch *fc_partition_expire(struct fc_partition *p)
{
	struct fc_batch *batch = TAILQ_FIRST(&p->waiting);

	TAILQ_REMOVE(&p->waiting, batch, link);
	p->returned = true;
	renew_from(p, batch->order);
	p->renew = true;
	return batch;
}

bool fc_partition_is_held(const struct fc_partition *p)
{
	return p->returned || is_at_gap(p);
}

bool fc_partition_unsettled(const struct fc_partition *p)
{
	return p->flying_count == 0 && fc_partition_is_held(p);
}

bool fc_partition_settle(struct fc_partition *p, const struct fc_identity *current)
{
	struct fc_batch *batch;

	p->returned = false;
	batch = TAILQ_FIRST(&p->waiting);
	// The lost one before it may be in the log nevertheless, and this one behind it: the broker will tell. It takes
	// this one with the numbers that it has, or finds it out of order.
	if (is_at_gap(p) && !p->replace && batch != NULL && batch->perhaps_written)
		renew_no_more(p);
	if (!is_at_gap(p))
		return true;
	// A local bump is enough: who may write is decided per partition (KIP-360). It ends with the epochs.
	if (p->identity.epoch == INT16_MAX)
		p->replace = true;
	if (p->replace && current->generation == p->identity.generation)
		return false;
	if (p->replace)
		p->identity = *current;
	else
		p->identity.epoch++;
	p->next_sequence = 0;
	p->known = false;
	p->renew = p->replace = false;
	TAILQ_FOREACH(batch, &p->waiting, link)
	stamp(p, batch);
	return true;
}
