// The order of a partition against a model of a broker that checks sequence numbers as Kafka does (ProducerAppendInfo),
// with random faults: whatever happens, each batch is written once, in order, or reported as lost.
#include "partition.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCHES = 400, REMEMBERED = 5, LINE = 16 };

// What a batch says of itself on the wire; the real one is tested in record_batch_test.c.
struct stamped {
	int64_t producer_id;
	int16_t epoch;
	int32_t base_sequence;
};

static struct fc_batch batches[BATCHES];
static struct stamped stamps[BATCHES];

void fc_record_batch_stamp(uint8_t *batch, uint32_t bytes, int64_t producer_id, int16_t epoch, int32_t base_sequence)
{
	assert(bytes == 100);
	stamps[batch - (uint8_t *)stamps] = (struct stamped){producer_id, epoch, base_sequence};
}

static struct fc_batch *sealed(unsigned number, uint32_t records)
{
	struct fc_batch *batch = &batches[number];

	*batch = (struct fc_batch){.capacity = 100};
	batch->records.start = (uint8_t *)stamps + number; // only the distance from `stamps` is used
	batch->records.bytes = 100;
	batch->records.records = records;
	return batch;
}

static unsigned number_of(const struct fc_batch *batch)
{
	return (unsigned)(batch - batches);
}

static int32_t after(int32_t sequence, uint32_t records)
{
	return (int32_t)(((int64_t)sequence + records) % ((int64_t)INT32_MAX + 1));
}

// ---- the model of a broker ------------------------------------------------------------------------------------------

enum { WRITTEN = 0, RETRIABLE = 19, REJECTED = 87, OUT_OF_ORDER = 45, OLD_EPOCH = 47 };

struct broker {
	bool knows;
	struct stamped remembered[REMEMBERED]; // the newest first
	int32_t next_sequence;
	unsigned written[BATCHES], written_count;
};

static bool same(const struct stamped *a, const struct stamped *b)
{
	return a->producer_id == b->producer_id && a->epoch == b->epoch && a->base_sequence == b->base_sequence;
}

static bool has(const struct broker *broker, unsigned number)
{
	int k;

	for (k = 0; broker->knows && k < REMEMBERED; k++)
		if (same(&broker->remembered[k], &stamps[number]))
			return true;
	return false;
}

static int append(struct broker *broker, unsigned number)
{
	const struct stamped *s = &stamps[number];
	int k;

	if (has(broker, number))
		return WRITTEN;
	if (broker->knows && s->producer_id == broker->remembered[0].producer_id) {
		if (s->epoch < broker->remembered[0].epoch)
			return OLD_EPOCH;
		if (s->base_sequence != (s->epoch > broker->remembered[0].epoch ? 0 : broker->next_sequence))
			return OUT_OF_ORDER;
	}
	if (broker->knows)
		memmove(&broker->remembered[1], &broker->remembered[0], (REMEMBERED - 1) * sizeof *s);
	else
		for (k = 1; k < REMEMBERED; k++)
			broker->remembered[k] = (struct stamped){-1, 0, 0};
	broker->remembered[0] = *s;
	broker->knows = true;
	broker->next_sequence = after(s->base_sequence, batches[number].records.records);
	broker->written[broker->written_count++] = number;
	assert(broker->written_count <= BATCHES);
	return WRITTEN;
}

static bool is_written(const struct broker *broker, unsigned number)
{
	unsigned k, times = 0;

	for (k = 0; k < broker->written_count; k++)
		times += broker->written[k] == number;
	assert(times <= 1);
	return times == 1;
}

// ---- a run with faults ----------------------------------------------------------------------------------------------

struct run {
	struct fc_partition p;
	struct fc_identity identity;
	struct broker broker;
	unsigned requests[LINE], request_count; // on their way to the broker
	unsigned answered[LINE], answer_count;  // on their way back
	int answers[LINE];
	bool lost[BATCHES];
};

static unsigned take_first(unsigned *line, unsigned *count)
{
	unsigned first = line[0];

	memmove(line, line + 1, --*count * sizeof *line);
	return first;
}

static void send_next(struct run *r)
{
	struct fc_batch *batch;

	if (fc_partition_unsettled(&r->p) && !fc_partition_settle(&r->p, &r->identity)) {
		r->identity.producer_id++;
		r->identity.epoch = 0;
		r->identity.generation++;
	}
	batch = fc_partition_next(&r->p);
	if (batch == NULL)
		return;
	fc_partition_fly(&r->p, batch);
	r->requests[r->request_count++] = number_of(batch);
}

static void broker_serves(struct run *r)
{
	unsigned number;
	int fault = rand() % 20, answer;

	if (r->request_count == 0)
		return;
	number = take_first(r->requests, &r->request_count);
	if (fault == 0)
		answer = RETRIABLE;
	else if (fault == 1)
		answer = REJECTED;
	else
		answer = append(&r->broker, number);
	if (fault == 2 && answer == WRITTEN)
		answer = rand() % 2 ? RETRIABLE : REJECTED; // although it is written
	r->answers[r->answer_count] = answer;
	r->answered[r->answer_count++] = number;
}

static void answer_comes(struct run *r)
{
	struct fc_batch *batch, *implied;
	int answer;

	if (r->answer_count == 0)
		return;
	answer = r->answers[0];
	memmove(r->answers, r->answers + 1, (r->answer_count - 1) * sizeof *r->answers);
	batch = &batches[take_first(r->answered, &r->answer_count)];
	switch (answer) {
	case WRITTEN:
		fc_partition_delivered(&r->p, batch);
		while ((implied = fc_partition_implied(&r->p, batch->order)) != NULL)
			assert(is_written(&r->broker, number_of(implied)));
		break;
	case REJECTED:
		fc_partition_lost(&r->p, batch);
		r->lost[number_of(batch)] = true;
		break;
	case OUT_OF_ORDER:
		fc_partition_return(
			&r->p, batch, fc_partition_is_first(&r->p, batch) ? FC_REMEDY_RENEW : FC_REMEDY_NONE);
		break;
	case RETRIABLE:
		fc_partition_return(&r->p, batch, FC_REMEDY_NONE);
		break;
	default:
		assert(!"an epoch went back");
	}
}

// Requests that the broker has not seen and answers that we have not seen are gone alike.
static void connection_breaks(struct run *r)
{
	while (r->answer_count > 0)
		fc_partition_return(&r->p, &batches[take_first(r->answered, &r->answer_count)], FC_REMEDY_NONE);
	while (r->request_count > 0)
		fc_partition_return(&r->p, &batches[take_first(r->requests, &r->request_count)], FC_REMEDY_NONE);
}

static void everything_is_written_once_in_order_or_lost(unsigned seed)
{
	struct run *r = calloc(1, sizeof *r);
	unsigned added = 0, k;

	assert(r != NULL);
	srand(seed);
	r->identity = (struct fc_identity){.producer_id = 7, .epoch = seed % 2 ? 0 : INT16_MAX - 3, .generation = 1};
	fc_partition_init(&r->p);
	if (seed % 3 == 0) { // the sequence wraps in the middle
		r->p.identity = r->identity;
		r->p.next_sequence = INT32_MAX - 100;
	}
	while (added < BATCHES || !TAILQ_EMPTY(&r->p.waiting) || r->p.flying_count > 0) {
		int what = rand() % 100;

		if (what < 30 && added < BATCHES) {
			fc_partition_add(&r->p, sealed(added, 1 + (uint32_t)rand() % 9), &r->identity);
			added++;
		} else if (what < 60) {
			send_next(r);
		} else if (what < 78) {
			broker_serves(r);
		} else if (what < 98) {
			answer_comes(r);
		} else {
			connection_breaks(r);
		}
	}
	for (k = 0; k < BATCHES; k++)
		assert(is_written(&r->broker, k) || r->lost[k]);
	for (k = 1; k < r->broker.written_count; k++)
		assert(r->broker.written[k - 1] < r->broker.written[k]);
	free(r);
}

// ---- single cases ---------------------------------------------------------------------------------------------------

static const struct fc_identity first_identity = {.producer_id = 7, .epoch = 0, .generation = 1};

static void begin(struct fc_partition *p, unsigned count)
{
	unsigned k;

	fc_partition_init(p);
	for (k = 0; k < count; k++)
		fc_partition_add(p, sealed(k, 10), &first_identity);
}

static void fly(struct fc_partition *p, unsigned count)
{
	while (count-- > 0)
		fc_partition_fly(p, fc_partition_next(p));
}

static void no_more_fly_than_a_broker_remembers(void)
{
	struct fc_partition p;

	begin(&p, 8);
	fly(&p, 1);
	assert(fc_partition_next(&p) == NULL); // the first one flies alone
	fc_partition_delivered(&p, &batches[0]);
	fly(&p, FC_PARTITION_FLYING_MAX);
	assert(fc_partition_next(&p) == NULL);
	fc_partition_delivered(&p, &batches[1]);
	assert(fc_partition_next(&p) == &batches[6]);
}

static void what_was_sent_expires_together(void)
{
	struct fc_partition p;

	begin(&p, 3);
	p.known = true;
	fly(&p, 2);
	assert(fc_partition_may_expire(&p)); // the third, which was never sent
	fc_partition_return(&p, &batches[0], FC_REMEDY_NONE);
	assert(!fc_partition_may_expire(&p)); // the answer to the second is still to come
	fc_partition_return(&p, &batches[1], FC_REMEDY_NONE);
	assert(fc_partition_may_expire(&p));
	assert(fc_partition_expire(&p) == &batches[0]);
	assert(batches[1].sent);
	assert(fc_partition_expire(&p) == &batches[1]);
	assert(fc_partition_unsettled(&p));
	assert(fc_partition_settle(&p, &first_identity));
	assert(stamps[2].epoch == 1 && stamps[2].base_sequence == 0); // the gap is in an epoch that is over
	assert(fc_partition_next(&p) == &batches[2]);
}

static void what_is_behind_a_lost_one_is_out_of_order_as_expected(void)
{
	struct fc_partition p;

	begin(&p, 3);
	fly(&p, 1);
	fc_partition_delivered(&p, &batches[0]);
	fly(&p, 2);
	assert(!fc_partition_is_behind_gap(&p, &batches[2]));
	fc_partition_lost(&p, &batches[1]);
	assert(fc_partition_is_behind_gap(&p, &batches[2]));
	fc_partition_return(&p, &batches[2], FC_REMEDY_RENEW);
	assert(fc_partition_settle(&p, &first_identity));
	assert(stamps[2].epoch == 1 && stamps[2].base_sequence == 0);
}

static void what_is_behind_a_lost_one_and_written_keeps_its_numbers(void)
{
	struct fc_partition p;

	begin(&p, 4);
	fly(&p, 1);
	fc_partition_delivered(&p, &batches[0]);
	fly(&p, 3);
	fc_partition_lost(&p, &batches[1]);
	fc_partition_add(&p, sealed(4, 10), &first_identity); // without numbers yet
	fc_partition_delivered(&p, &batches[2]);
	fc_partition_return(&p, &batches[3], FC_REMEDY_NONE);
	assert(fc_partition_settle(&p, &first_identity));
	assert(stamps[3].epoch == 0 && stamps[3].base_sequence == 30);
	assert(stamps[4].epoch == 0 && stamps[4].base_sequence == 40);
}

static void the_last_epoch_asks_for_a_new_producer_id(void)
{
	const struct fc_identity last = {.producer_id = 7, .epoch = INT16_MAX, .generation = 1};
	const struct fc_identity next = {.producer_id = 8, .epoch = 0, .generation = 2};
	struct fc_partition p;

	fc_partition_init(&p);
	fc_partition_add(&p, sealed(0, 10), &last);
	fly(&p, 1);
	fc_partition_return(&p, &batches[0], FC_REMEDY_RENEW);
	assert(!fc_partition_settle(&p, &last));
	assert(fc_partition_next(&p) == NULL);
	assert(fc_partition_settle(&p, &next));
	assert(stamps[0].producer_id == 8 && stamps[0].epoch == 0 && stamps[0].base_sequence == 0);
}

static void halves_take_the_place_and_the_numbers_of_the_whole(void)
{
	struct fc_batch *first, *second;
	struct fc_partition p;

	begin(&p, 3);
	p.known = true;
	fly(&p, 3);
	first = sealed(10, 4);
	second = sealed(11, 6);
	first->partition = second->partition = batches[1].partition;
	assert(fc_partition_split(&p, &batches[1], first, second));
	fc_partition_return(&p, &batches[2], FC_REMEDY_NONE);
	assert(fc_partition_next(&p) == NULL); // the first one is still to be answered
	fc_partition_delivered(&p, &batches[0]);
	assert(fc_partition_settle(&p, &first_identity));
	assert(stamps[10].base_sequence == 10 && stamps[11].base_sequence == 14 && stamps[2].base_sequence == 20);
	assert(fc_partition_next(&p) == first);
	fly(&p, 1);
	assert(fc_partition_next(&p) == second);
	fly(&p, 1);
	assert(fc_partition_next(&p) == &batches[2]);
}

int main(void)
{
	unsigned seed;

	no_more_fly_than_a_broker_remembers();
	what_was_sent_expires_together();
	what_is_behind_a_lost_one_is_out_of_order_as_expected();
	what_is_behind_a_lost_one_and_written_keeps_its_numbers();
	the_last_epoch_asks_for_a_new_producer_id();
	halves_take_the_place_and_the_numbers_of_the_whole();
	for (seed = 1; seed <= 300; seed++)
		everything_is_written_once_in_order_or_lost(seed);
	return 0;
}
