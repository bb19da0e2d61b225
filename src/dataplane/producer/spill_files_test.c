// Segments on a real file system: order, what a run leaves for the next one, torn and damaged files, limits.
#include "spill_files.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spill_format.h"

enum { BATCH_BYTES = 4096, VALUE_BYTES = 3000, HEADS = FC_SPILL_SEGMENT_HEAD_BYTES + FC_SPILL_BATCH_HEAD_BYTES };

static char directory[] = "/tmp/fastcapa-spill-XXXXXX";
static uint8_t memory[BATCH_BYTES];

struct spill {
	struct fc_spill_directory directory;
	struct fc_spill_files files;
	struct fc_spill_found found;
};

// A sealed batch of one packet that carries `number`.
static struct fc_record_batch batch_of(uint32_t number)
{
	struct fc_record_batch b;
	uint8_t *value;

	fc_record_batch_open(&b, memory, sizeof memory);
	value = fc_record_batch_append(&b, &(struct fc_record){.value_bytes = VALUE_BYTES});
	memset(value, 0x33, VALUE_BYTES);
	memcpy(value, &number, sizeof number);
	fc_record_batch_seal(&b, FC_CODEC_NONE);
	fc_record_batch_stamp(b.start, b.bytes, -1, -1, -1);
	return b;
}

static int append(struct spill *s, uint32_t number)
{
	struct fc_record_batch b = batch_of(number);

	return fc_spill_files_append(&s->files, (int32_t)(number % 3), &b);
}

// The number of the next batch, or what is said instead.
static int64_t next(struct spill *s, struct fc_spill_place *place)
{
	struct fc_record_batch b;
	struct fc_spill_place somewhere;
	struct fc_spill_lost lost;
	int32_t partition;
	uint32_t number;
	int got;

	fc_record_batch_open(&b, memory, sizeof memory);
	got = fc_spill_files_read(&s->files, &b, &partition, place != NULL ? place : &somewhere, &lost);
	if (got != 1)
		return got == 0 ? -1 : got == -EBADMSG ? -1000 - (int64_t)lost.packets : got;
	memcpy(&number, b.start + b.bytes - VALUE_BYTES - 1, sizeof number);
	assert(partition == (int32_t)(number % 3) && b.records == 1);
	return number;
}

static int open_as(struct spill *s, uint16_t worker, uint16_t workers, const char *topic, uint64_t bytes_max)
{
	int error = fc_spill_directory_open(&s->directory, directory, bytes_max, FC_SPILL_SYNC_INTERVAL, workers);

	if (error == 0)
		error = fc_spill_files_open(&s->files, &s->directory, worker, topic, 3, &s->found);
	return error;
}

static struct spill *opened(void)
{
	static struct spill spill;

	assert(open_as(&spill, 0, 1, "t", 1 << 30) == 0);
	return &spill;
}

static struct spill again; // opened otherwise

static void close_spill(struct spill *s)
{
	fc_spill_files_close(&s->files);
	fc_spill_directory_close(&s->directory);
}

// Segments in the directory; `last` gets the name of the last one.
static int segments(char *last)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, NULL, alphasort), found = 0, k;

	for (k = 0; k < count; k++) {
		if (strstr(entries[k]->d_name, ".spill") != NULL) {
			found++;
			if (last != NULL)
				snprintf(last, 512, "%s/%s", directory, entries[k]->d_name);
		}
		free(entries[k]);
	}
	free(entries);
	return found;
}

static void clear(void)
{
	char path[512];

	while (segments(path) > 0)
		assert(unlink(path) == 0);
}

static void a_queue(void)
{
	struct spill *s = opened();
	struct fc_spill_place places[100];
	uint32_t written = 0, read = 0, round;

	for (round = 0; round < 10; round++) {
		for (; written < (round + 1) * 10; written++)
			assert(append(s, written) == 0);
		for (; read < written - (round < 9 ? 3 : 0); read++)
			assert(next(s, &places[read]) == read);
	}
	assert(next(s, NULL) == -1);
	for (read = 0; read < 100; read++)
		fc_spill_files_done(&s->files, places[read]);
	close_spill(s);
	assert(segments(NULL) == 0);
}

static void segments_are_removed_as_they_are_done_and_free_their_space(void)
{
	struct spill *s = &again;
	struct fc_spill_place places[2000];
	uint64_t most;
	uint32_t k, count = 0;

	assert(open_as(s, 0, 1, "t", 4 << 20) == 0);
	while (append(s, count) == 0)
		count++;
	assert(append(s, count) == -EDQUOT);
	most = atomic_load(&s->directory.bytes);
	assert(most <= 4 << 20 && most > (4 << 20) - 2 * BATCH_BYTES);
	assert(segments(NULL) == 4); // of 1 MiB
	for (k = 0; k < count / 2; k++)
		assert(next(s, &places[k]) == k);
	for (k = count / 2; k-- > 0;) // in any order
		fc_spill_files_done(&s->files, places[k]);
	assert(segments(NULL) == 3);
	assert(append(s, count) == 0);
	for (k = count / 2; k <= count; k++) {
		assert(next(s, &places[0]) == k);
		fc_spill_files_done(&s->files, places[0]);
	}
	close_spill(s);
	assert(segments(NULL) == 0 && atomic_load(&s->directory.bytes) == 0);
}

static void the_next_run_gets_what_is_not_done(void)
{
	struct spill *s = opened();
	struct fc_spill_place places[5];
	uint32_t k;

	for (k = 0; k < 10; k++)
		assert(append(s, k) == 0);
	for (k = 0; k < 5; k++)
		assert(next(s, &places[k]) == k);
	fc_spill_files_done(&s->files, places[1]);
	fc_spill_files_done(&s->files, places[3]);
	close_spill(s);
	s = opened();
	assert(s->found.batches == 8 && s->found.packets == 8 && s->found.torn_bytes == 0);
	assert(append(s, 10) == 0); // behind
	for (k = 0; k <= 10; k++)
		if (k != 1 && k != 3)
			assert(next(s, NULL) == k);
	assert(next(s, NULL) == -1);
	close_spill(s);
	clear();
}

static void what_is_older_is_written_before_the_rest(void)
{
	struct spill *s = opened();
	struct fc_spill_place place;
	uint32_t k;

	for (k = 2; k < 6; k++)
		assert(append(s, k) == 0);
	assert(next(s, &place) == 2);
	fc_spill_files_turn(&s->files);
	for (k = 0; k < 3; k++)
		assert(append(s, k) == 0);
	fc_spill_files_done(&s->files, place); // it has been written anew
	close_spill(s);
	s = opened();
	for (k = 0; k < 6; k++)
		assert(next(s, k == 0 ? &place : NULL) == k);
	fc_spill_files_done(&s->files, place);
	fc_spill_files_turn(&s->files); // once more, before that
	assert(append(s, 100) == 0);
	close_spill(s);
	s = opened();
	assert(next(s, NULL) == 100 && next(s, NULL) == 1);
	close_spill(s);
	clear();
}

static void fewer_workers_take_over_from_more(void)
{
	struct spill *s = &again;
	uint16_t worker;
	uint32_t k;

	for (worker = 0; worker < 4; worker++) {
		assert(open_as(s, worker, 4, "t", 1 << 30) == 0);
		for (k = 0; k < 3; k++)
			assert(append(s, 10u * worker + k) == 0);
		close_spill(s);
	}
	assert(open_as(s, 1, 3, "t", 1 << 30) == 0);
	assert(s->found.batches == 3 && next(s, NULL) == 10);
	close_spill(s);
	assert(open_as(s, 0, 3, "t", 1 << 30) == 0);
	assert(append(s, 3) == 0);
	for (k = 0; k < 3; k++)
		assert(next(s, NULL) == k);
	for (k = 30; k < 33; k++)
		assert(next(s, NULL) == k);
	assert(next(s, NULL) == 3);
	close_spill(s);
	clear();
}

// Cut anywhere, a segment gives what is whole and says how much is not.
static void a_torn_end_is_dropped(void)
{
	const uint64_t head = FC_SPILL_SEGMENT_HEAD_BYTES;
	char path[512];
	struct spill *s = &again;
	uint64_t batch, size, whole;
	int64_t k;

	for (size = 0; size < head + 9000; size += size < head || size % 3000 < 100 ? 1 : 97) {
		s = opened();
		for (k = 0; k < 3; k++)
			assert(append(s, (uint32_t)k) == 0);
		batch = (s->files.tail->bytes - head) / 3;
		close_spill(s);
		assert(segments(path) == 1 && truncate(path, (off_t)size) == 0);
		whole = size < head ? 0 : (size - head) / batch;
		s = opened();
		assert(s->found.batches == whole);
		assert(s->found.torn_bytes == (size < head ? size : size - head - whole * batch));
		for (k = 0; k < (int64_t)whole; k++)
			assert(next(s, NULL) == k);
		assert(next(s, NULL) == -1);
		assert(append(s, 77) == 0 && next(s, NULL) == 77);
		close_spill(s);
		clear();
	}
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert(fd >= 0 && pread(fd, &byte, 1, at) == 1);
	byte ^= 0x10;
	assert(pwrite(fd, &byte, 1, at) == 1);
	close(fd);
}

static void a_machine_that_died_leaves_a_last_batch_that_is_not_what_its_head_says(void)
{
	struct spill *s = opened();
	char path[512];
	off_t size;

	assert(append(s, 0) == 0 && append(s, 1) == 0);
	size = (off_t)s->files.tail->bytes;
	close_spill(s);
	assert(segments(path) == 1);
	flip(path, size - 100);
	s = opened();
	assert(s->found.batches == 1 && s->found.torn_bytes == (uint64_t)(size - FC_SPILL_SEGMENT_HEAD_BYTES) / 2);
	assert(next(s, NULL) == 0 && next(s, NULL) == -1);
	close_spill(s);
	clear();
}

static void damage_is_told_and_the_rest_is_read(void)
{
	struct spill *s = opened();
	char path[512];
	uint64_t batch;
	uint32_t k;

	for (k = 0; k < 8; k++)
		assert(append(s, k) == 0);
	batch = (s->files.tail->bytes - FC_SPILL_SEGMENT_HEAD_BYTES) / 8;
	assert(segments(path) == 1);
	flip(path, (off_t)(HEADS + 2 * batch + 1000)); // in a batch: this one
	flip(path, (off_t)(HEADS + 5 * batch - 20));   // in a head: the rest of the segment
	assert(next(s, NULL) == 0 && next(s, NULL) == 1);
	assert(next(s, NULL) == -1001);
	assert(next(s, NULL) == 3 && next(s, NULL) == 4);
	assert(next(s, NULL) == -1003);
	assert(next(s, NULL) == -1);
	assert(append(s, 8) == 0 && next(s, NULL) == 8);
	assert(segments(path) == 2);
	close_spill(s);
	clear();
}

// Bytes changed anywhere, before or after it was opened: what is read is what was written, in order, and the rest told.
static void random_damage(void)
{
	enum { ROUNDS = 300, COUNT = 6 };
	struct spill *s;
	char path[512];
	uint64_t told, expected;
	int64_t got, last;
	int round, k;
	off_t size;

	srandom(1);
	for (round = 0; round < ROUNDS; round++) {
		bool opens = round % 2 == 0;

		s = opened();
		for (k = 0; k < COUNT; k++)
			assert(append(s, (uint32_t)k) == 0);
		size = (off_t)s->files.tail->bytes;
		expected = COUNT;
		assert(segments(path) == 1);
		if (opens)
			close_spill(s);
		for (k = (int)(random() % 4); k >= 0; k--) // heads are what there is least of
			flip(path, k % 2 == 0
					   ? random() % size
					   : FC_SPILL_SEGMENT_HEAD_BYTES +
						     (size - FC_SPILL_SEGMENT_HEAD_BYTES) / COUNT * (random() % COUNT) +
						     random() % FC_SPILL_BATCH_HEAD_BYTES);
		if (opens && open_as(s, 0, 1, "t", 1 << 30) != 0) { // the segment's head, or a partition
			close_spill(s);
			clear();
			continue;
		}
		if (opens)
			expected = s->found.packets;
		for (told = 0, last = -1; (got = next(s, NULL)) != -1; told++) {
			if (got < -1000) {
				told += (uint64_t)(-1001 - got);
				continue;
			}
			assert(got > last && got < COUNT);
			last = got;
		}
		assert(told == expected || !opens); // a batch may be marked as done by the damage
		assert(told <= COUNT);
		close_spill(s);
		clear();
	}
}

static void a_segment_that_is_gone_is_told(void)
{
	struct spill *s = &again;
	char path[512];
	uint32_t k, count = 0;
	int64_t got = 0;

	assert(open_as(s, 0, 1, "t", 64 << 20) == 0);
	while (segments(NULL) < 3)
		assert(append(s, count++) == 0);
	clear();
	// What is written to has been removed too: a batch goes to a new segment.
	assert(append(s, count) == 0 && segments(path) == 1);
	for (k = 0; got != (int64_t)count;) {
		got = next(s, NULL);
		assert(got == (int64_t)count || got < -1000);
		k += got < -1000 ? (uint32_t)(-1000 - got) : 1;
	}
	assert(k == count + 1 && next(s, NULL) == -1);
	close_spill(s);
	clear();
}

static void a_batch_that_is_too_large_for_the_memory_waits(void)
{
	struct spill *s = opened();
	struct fc_record_batch b;
	struct fc_spill_place place;
	struct fc_spill_lost lost;
	int32_t partition;
	uint32_t bytes;

	assert(append(s, 5) == 0);
	bytes = (uint32_t)s->files.tail->bytes - HEADS;
	fc_record_batch_open(&b, memory, bytes - 1);
	assert(fc_spill_files_read(&s->files, &b, &partition, &place, &lost) == -EMSGSIZE && b.bytes == bytes);
	fc_record_batch_open(&b, memory, bytes);
	assert(fc_spill_files_read(&s->files, &b, &partition, &place, &lost) == 1);
	close_spill(s);
	clear();
}

static void a_write_that_fails_leaves_what_was_there(void)
{
	struct spill *s = opened();
	struct rlimit before, limit;
	uint32_t k;

	assert(append(s, 0) == 0 && append(s, 1) == 0);
	signal(SIGXFSZ, SIG_IGN);
	assert(getrlimit(RLIMIT_FSIZE, &before) == 0);
	limit = (struct rlimit){.rlim_cur = s->files.tail->bytes + 100, .rlim_max = before.rlim_max};
	assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	assert(append(s, 2) == -EFBIG && append(s, 2) == -EFBIG);
	assert(setrlimit(RLIMIT_FSIZE, &before) == 0);
	assert(append(s, 2) == 0);
	for (k = 0; k < 3; k++)
		assert(next(s, NULL) == k);
	close_spill(s);
	s = opened();
	assert(s->found.batches == 3 && s->found.torn_bytes == 0);
	close_spill(s);
	clear();
}

static void expect_error(struct spill *s, int error, const char *text)
{
	assert(error == -EINVAL);
	if (strstr(fc_last_error(), text) == NULL) {
		fprintf(stderr, "%s\n", fc_last_error());
		abort();
	}
	close_spill(s);
}

static void what_does_not_fit_is_refused_and_left_alone(void)
{
	struct spill *s = opened();
	char path[512];
	FILE *foreign;

	expect_error(&again, open_as(&again, 0, 1, "t", 1 << 30), "another probe uses it");
	assert(append(s, 2) == 0);
	close_spill(s);
	assert(segments(path) == 1);
	expect_error(s, open_as(s, 0, 1, "u", 1 << 30), "has packets for topic t; deliver them with -t t");
	assert(segments(NULL) == 1);
	assert(fc_spill_directory_open(&s->directory, directory, 1 << 30, FC_SPILL_SYNC_NONE, 1) == 0);
	expect_error(s, fc_spill_files_open(&s->files, &s->directory, 0, "t", 2, &s->found),
		"has packets for partition 2, topic t has 2 partitions");
	assert(segments(NULL) == 1);
	s = opened();
	assert(s->found.batches == 1);
	close_spill(s);
	foreign = fopen(path, "w");
	assert(foreign != NULL && fprintf(foreign, "%512s", "") == 512 && fclose(foreign) == 0);
	expect_error(s, open_as(s, 0, 1, "t", 1 << 30), "is none of this version's files; move it away");
	assert(segments(NULL) == 1);
	clear();
}

static void nobody_else_may_read_it(void)
{
	struct spill *s = opened();
	struct stat status;
	char path[512];

	assert(append(s, 0) == 0 && segments(path) == 1);
	assert(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
	close_spill(s);
	clear();
	snprintf(path, sizeof path, "%s/new", directory);
	assert(fc_spill_directory_open(&s->directory, path, 1 << 30, FC_SPILL_SYNC_NONE, 1) == 0);
	assert(stat(path, &status) == 0 && (status.st_mode & 0777) == 0700);
	fc_spill_directory_close(&s->directory);
	snprintf(path, sizeof path, "%s/new/lock", directory);
	assert(unlink(path) == 0);
	*strrchr(path, '/') = '\0';
	assert(rmdir(path) == 0);
}

int main(void)
{
	char lock[64];

	umask(0);
	assert(mkdtemp(directory) != NULL);
	a_queue();
	segments_are_removed_as_they_are_done_and_free_their_space();
	the_next_run_gets_what_is_not_done();
	what_is_older_is_written_before_the_rest();
	fewer_workers_take_over_from_more();
	a_torn_end_is_dropped();
	a_machine_that_died_leaves_a_last_batch_that_is_not_what_its_head_says();
	damage_is_told_and_the_rest_is_read();
	random_damage();
	a_segment_that_is_gone_is_told();
	a_batch_that_is_too_large_for_the_memory_waits();
	a_write_that_fails_leaves_what_was_there();
	what_does_not_fit_is_refused_and_left_alone();
	nobody_else_may_read_it();
	snprintf(lock, sizeof lock, "%s/lock", directory);
	assert(unlink(lock) == 0 && rmdir(directory) == 0);
	return 0;
}
