#include "spill_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../error.h"
#include "spill_format.h"

// There is room below for fc_spill_files_turn().
#define FIRST_NUMBER (UINT64_C(1) << 32)

// ---- segments -------------------------------------------------------------------------------------------------------

static int open_segment(const struct fc_spill_files *f, struct fc_spill_segment *segment, int flags)
{
	char name[FC_SPILL_NAME_BYTES];

	if (segment->fd >= 0)
		return 0;
	fc_spill_name_write(name, &segment->name);
	segment->fd = openat(f->directory->fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	return segment->fd >= 0 ? 0 : -errno;
}

static void close_segment(struct fc_spill_segment *segment)
{
	if (segment->fd >= 0)
		close(segment->fd);
	segment->fd = -1;
}

// The file stays.
static void forget_segment(struct fc_spill_files *f, struct fc_spill_segment *segment)
{
	if (f->cursor == segment) {
		f->cursor = TAILQ_NEXT(segment, link);
		f->read_at = FC_SPILL_SEGMENT_HEAD_BYTES;
	}
	if (f->tail == segment)
		f->tail = NULL;
	TAILQ_REMOVE(&f->segments, segment, link);
	close_segment(segment);
	free(segment);
}

static void remove_segment(struct fc_spill_files *f, struct fc_spill_segment *segment)
{
	char name[FC_SPILL_NAME_BYTES];

	fc_spill_name_write(name, &segment->name);
	unlinkat(f->directory->fd, name, 0);
	fc_spill_directory_release(f->directory, segment->bytes);
	forget_segment(f, segment);
}

static bool read_whole(int fd, void *to, size_t bytes, uint64_t at)
{
	ssize_t got;
	uint8_t *next = to;

	for (; bytes > 0; next += got, bytes -= (size_t)got, at += (uint64_t)got) {
		got = pread(fd, next, bytes, (off_t)at);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			return false;
	}
	return true;
}

static int write_whole(int fd, struct iovec *parts, int count, uint64_t at)
{
	while (count > 0) {
		ssize_t put = pwritev(fd, parts, count, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		at += (uint64_t)put;
		for (; count > 0 && (size_t)put >= parts->iov_len; parts++, count--)
			put -= (ssize_t)parts->iov_len;
		if (count > 0) {
			parts->iov_base = (uint8_t *)parts->iov_base + put;
			parts->iov_len -= (size_t)put;
		}
	}
	return 0;
}

static struct fc_spill_segment *make_segment(struct fc_spill_files *f, uint16_t worker, uint64_t number)
{
	struct fc_spill_segment *segment = calloc(1, sizeof *segment);

	if (segment == NULL)
		return NULL;
	segment->name = (struct fc_spill_name){.worker = worker, .number = number};
	segment->fd = -1;
	segment->bytes = FC_SPILL_SEGMENT_HEAD_BYTES;
	if (f->front)
		TAILQ_INSERT_HEAD(&f->segments, segment, link);
	else
		TAILQ_INSERT_TAIL(&f->segments, segment, link);
	return segment;
}

// ---- what earlier runs have left ------------------------------------------------------------------------------------

static bool batch_is_whole(int fd, uint64_t at, const struct fc_spill_batch_head *head)
{
	struct fc_record_batch records = {.start = malloc(head->bytes), .capacity = head->bytes};
	bool whole = records.start != NULL && read_whole(fd, records.start, head->bytes, at) &&
		     fc_record_batch_load(&records, head->bytes) && fc_record_batch_crc(records.start) == head->crc;

	free(records.start);
	return whole;
}

// Goes over the heads of a segment's batches. The last one is looked at as a whole: it is what was being written when
// the probe, or the machine, died. The others are when they are read.
static int scan(struct fc_spill_files *f, struct fc_spill_segment *segment, uint64_t size, int32_t partitions,
	struct fc_spill_found *found)
{
	uint8_t bytes[FC_SPILL_BATCH_HEAD_BYTES];
	struct fc_spill_batch_head head, last = {.bytes = 0};
	uint64_t at = FC_SPILL_SEGMENT_HEAD_BYTES, last_at = 0;

	while (at + sizeof bytes <= size && read_whole(segment->fd, bytes, sizeof bytes, at) &&
		fc_spill_batch_head_read(bytes, &head) && head.number == segment->batches &&
		at + sizeof bytes + head.bytes <= size) {
		if (!head.done && head.partition >= partitions)
			return fc_error(EINVAL,
				"--spill %s has packets for partition %d, topic %s has %d partitions; add some, or "
				"give another directory",
				f->directory->path, head.partition, f->topic, partitions);
		segment->batches++;
		segment->unread += !head.done;
		segment->unread_packets += head.done ? 0 : head.packets;
		last = head;
		last_at = at;
		at += sizeof bytes + head.bytes;
		if (!head.done && head.bytes > found->batch_bytes_max)
			found->batch_bytes_max = head.bytes;
	}
	if (last.bytes > 0 && !last.done && !batch_is_whole(segment->fd, last_at + sizeof bytes, &last)) {
		segment->batches--;
		segment->unread--;
		segment->unread_packets -= last.packets;
		at = last_at;
	}
	segment->undone = segment->unread;
	segment->bytes = at;
	found->batches += segment->unread;
	found->packets += segment->unread_packets;
	found->torn_bytes += size - at;
	if (size > at && ftruncate(segment->fd, (off_t)at) != 0)
		return fc_error(EINVAL, "--spill %s: cannot be written to: %s", f->directory->path, strerror(errno));
	return 0;
}

static int take_over_file(
	struct fc_spill_files *f, struct fc_spill_segment *segment, int32_t partitions, struct fc_spill_found *found)
{
	const struct fc_spill_name *name = &segment->name;
	uint8_t bytes[FC_SPILL_SEGMENT_HEAD_BYTES];
	const char *topic;
	struct stat status;
	int error = open_segment(f, segment, 0);

	if (error == 0 && fstat(segment->fd, &status) != 0)
		error = -errno;
	if (error != 0)
		return fc_error(
			EINVAL, "--spill %s: its files cannot be opened: %s", f->directory->path, strerror(-error));
	if ((uint64_t)status.st_size < sizeof bytes) { // so there is nothing behind it
		found->torn_bytes += (uint64_t)status.st_size;
		return 0;
	}
	topic = read_whole(segment->fd, bytes, sizeof bytes, 0) ? fc_spill_segment_head_read(bytes) : NULL;
	if (topic == NULL)
		return fc_error(EINVAL,
			"--spill %s: %05u-%016" PRIx64 ".spill is none of this version's files; move it away",
			f->directory->path, name->worker, name->number);
	if (strcmp(topic, f->topic) != 0)
		return fc_error(EINVAL,
			"--spill %s has packets for topic %s; deliver them with -t %s, or give another directory",
			f->directory->path, topic, topic);
	return scan(f, segment, (uint64_t)status.st_size, partitions, found);
}

static int take_over(
	struct fc_spill_files *f, const struct fc_spill_name *name, int32_t partitions, struct fc_spill_found *found)
{
	struct fc_spill_segment *segment = make_segment(f, name->worker, name->number);
	int error;

	if (segment == NULL)
		return fc_error(ENOMEM, "out of memory");
	error = take_over_file(f, segment, partitions, found);
	if (error != 0) {
		forget_segment(f, segment);
		return error;
	}
	atomic_fetch_add(&f->directory->bytes, segment->bytes);
	if (segment->undone == 0)
		remove_segment(f, segment);
	else
		close_segment(segment);
	return 0;
}

static int take_over_all(struct fc_spill_files *f, bool own, int32_t partitions, struct fc_spill_found *found)
{
	const struct fc_spill_directory *d = f->directory;
	int error = 0;
	size_t k;

	for (k = 0; error == 0 && k < d->name_count; k++) {
		const struct fc_spill_name *name = &d->names[k];

		if ((name->worker == f->worker) != own || name->worker % d->workers != f->worker)
			continue;
		if (own)
			f->next_number = name->number + 1;
		error = take_over(f, name, partitions, found);
	}
	return error;
}

int fc_spill_files_open(struct fc_spill_files *f, struct fc_spill_directory *directory, uint16_t worker,
	const char *topic, int32_t partitions, struct fc_spill_found *found)
{
	int error;

	*f = (struct fc_spill_files){
		.directory = directory, .topic = topic, .worker = worker, .next_number = FIRST_NUMBER};
	*found = (struct fc_spill_found){0};
	TAILQ_INIT(&f->segments);
	// The worker's own first: where fc_spill_files_turn() writes has to be the first place in the next run too.
	error = take_over_all(f, true, partitions, found);
	return error != 0 ? error : take_over_all(f, false, partitions, found);
}

void fc_spill_files_close(struct fc_spill_files *f)
{
	struct fc_spill_segment *segment, *next;

	if (f->directory == NULL)
		return;
	fc_spill_files_sync(f);
	for (segment = TAILQ_FIRST(&f->segments); segment != NULL; segment = next) {
		next = TAILQ_NEXT(segment, link);
		if (segment->undone == 0) {
			remove_segment(f, segment);
			continue;
		}
		close_segment(segment);
		free(segment);
	}
	f->directory = NULL;
}

// ---- writing --------------------------------------------------------------------------------------------------------

int fc_spill_files_sync(struct fc_spill_files *f)
{
	if (f->unsynced == 0 || f->tail == NULL || f->directory->sync == FC_SPILL_SYNC_NONE)
		return 0;
	f->unsynced = 0;
	return fdatasync(f->tail->fd) == 0 ? 0 : -errno;
}

// Ends the segment that is written to.
static void end_tail(struct fc_spill_files *f)
{
	struct fc_spill_segment *tail = f->tail;

	if (tail == NULL)
		return;
	fc_spill_files_sync(f);
	f->tail = NULL;
	if (tail->undone == 0)
		remove_segment(f, tail);
	else if (tail->unread == tail->undone && f->cursor != tail) // nobody reads it yet
		close_segment(tail);
}

// Begins a segment. Its head is reserved.
static int begin_tail(struct fc_spill_files *f)
{
	uint8_t head[FC_SPILL_SEGMENT_HEAD_BYTES];
	struct fc_spill_segment *segment = make_segment(f, f->worker, f->next_number);
	int error = segment == NULL ? -ENOMEM : open_segment(f, segment, O_CREAT | O_EXCL);

	if (error != 0) {
		fc_spill_directory_release(f->directory, sizeof head);
		if (segment != NULL)
			forget_segment(f, segment);
		return error;
	}
	fc_spill_segment_head_write(head, f->topic);
	error = write_whole(segment->fd, &(struct iovec){.iov_base = head, .iov_len = sizeof head}, 1, 0);
	if (error == 0 && f->directory->sync != FC_SPILL_SYNC_NONE && fsync(f->directory->fd) != 0)
		error = -errno;
	if (error != 0) {
		remove_segment(f, segment); // and what was reserved for its head
		return error;
	}
	f->next_number++;
	f->tail = segment;
	return 0;
}

static bool tail_is_full(const struct fc_spill_files *f)
{
	struct stat status;

	if (f->tail->bytes >= f->directory->segment_bytes && !f->front)
		return true;
	// Removed by somebody: what is written to it would be gone with this process.
	return fstat(f->tail->fd, &status) == 0 && status.st_nlink == 0;
}

static int write_batch(struct fc_spill_files *f, int32_t partition, const struct fc_record_batch *records)
{
	struct fc_spill_segment *tail = f->tail;
	uint8_t head[FC_SPILL_BATCH_HEAD_BYTES];
	struct iovec parts[] = {
		{.iov_base = head, .iov_len = sizeof head}, {.iov_base = records->start, .iov_len = records->bytes}};
	int error;

	fc_spill_batch_head_write(head, &(struct fc_spill_batch_head){
						.partition = partition,
						.bytes = records->bytes,
						.packets = records->records,
						.crc = fc_record_batch_crc(records->start),
						.number = tail->batches,
					});
	error = write_whole(tail->fd, parts, 2, tail->bytes);
	if (error == 0 && f->directory->sync == FC_SPILL_SYNC_BATCH && fdatasync(tail->fd) != 0)
		error = -errno;
	// The next one has to stand right behind the last whole one.
	if (error != 0 && ftruncate(tail->fd, (off_t)tail->bytes) != 0)
		end_tail(f);
	return error;
}

int fc_spill_files_append(struct fc_spill_files *f, int32_t partition, const struct fc_record_batch *records)
{
	uint64_t bytes = FC_SPILL_BATCH_HEAD_BYTES + (uint64_t)records->bytes;
	bool begins;
	int error = 0;

	if (f->tail != NULL && tail_is_full(f))
		end_tail(f);
	begins = f->tail == NULL;
	if (!fc_spill_directory_reserve(f->directory, bytes + (begins ? FC_SPILL_SEGMENT_HEAD_BYTES : 0)))
		return -EDQUOT;
	if (begins)
		error = begin_tail(f);
	if (error == 0)
		error = write_batch(f, partition, records);
	if (error != 0) {
		fc_spill_directory_release(f->directory, bytes);
		return error;
	}
	f->tail->bytes += bytes;
	f->tail->batches++;
	f->tail->unread++;
	f->tail->unread_packets += records->records;
	f->tail->undone++;
	f->unsynced += bytes;
	return 0;
}

void fc_spill_files_turn(struct fc_spill_files *f)
{
	struct fc_spill_segment *segment;

	end_tail(f);
	f->front = true;
	TAILQ_FOREACH(segment, &f->segments, link)
	if (segment->name.worker == f->worker && segment->name.number <= f->next_number)
		f->next_number = segment->name.number - 1;
}

// ---- reading --------------------------------------------------------------------------------------------------------

// The segment with the next batch to be read, or NULL.
static struct fc_spill_segment *next_segment(struct fc_spill_files *f)
{
	if (f->cursor == NULL) {
		f->cursor = TAILQ_FIRST(&f->segments);
		f->read_at = FC_SPILL_SEGMENT_HEAD_BYTES;
	}
	while (f->cursor != NULL && f->cursor->unread == 0 && TAILQ_NEXT(f->cursor, link) != NULL) {
		f->cursor = TAILQ_NEXT(f->cursor, link);
		f->read_at = FC_SPILL_SEGMENT_HEAD_BYTES;
	}
	return f->cursor != NULL && f->cursor->unread > 0 ? f->cursor : NULL;
}

// Gives up `batches` batches of the segment, the one at `read_at` first.
static int lose(struct fc_spill_files *f, struct fc_spill_segment *segment, uint64_t batches, uint64_t packets,
	struct fc_spill_lost *lost)
{
	*lost = (struct fc_spill_lost){.batches = batches, .packets = packets};
	segment->unread -= batches;
	segment->unread_packets -= packets;
	segment->undone -= batches;
	if (segment->undone == 0 && segment != f->tail)
		remove_segment(f, segment);
	return -EBADMSG;
}

static int lose_rest(struct fc_spill_files *f, struct fc_spill_segment *segment, struct fc_spill_lost *lost)
{
	if (segment == f->tail)
		end_tail(f); // it has unread ones, so it is still there
	return lose(f, segment, segment->unread, segment->unread_packets, lost);
}

int fc_spill_files_read(struct fc_spill_files *f, struct fc_record_batch *to, int32_t *partition,
	struct fc_spill_place *place, struct fc_spill_lost *lost)
{
	struct fc_spill_segment *segment = next_segment(f);
	uint8_t bytes[FC_SPILL_BATCH_HEAD_BYTES];
	struct fc_spill_batch_head head;
	uint64_t at;

	if (segment == NULL)
		return 0;
	if (open_segment(f, segment, 0) != 0)
		return lose_rest(f, segment, lost);
	for (;;) {
		at = f->read_at;
		if (!read_whole(segment->fd, bytes, sizeof bytes, at) || !fc_spill_batch_head_read(bytes, &head) ||
			at + sizeof bytes + head.bytes > segment->bytes)
			return lose_rest(f, segment, lost);
		if (!head.done)
			break;
		f->read_at = at + sizeof bytes + head.bytes;
	}
	if (head.bytes > to->capacity) {
		to->bytes = head.bytes;
		return -EMSGSIZE;
	}
	f->read_at = at + sizeof bytes + head.bytes;
	if (!read_whole(segment->fd, to->start, head.bytes, at + sizeof bytes) ||
		!fc_record_batch_load(to, head.bytes) || fc_record_batch_crc(to->start) != head.crc ||
		to->records != head.packets)
		return lose(f, segment, 1, head.packets, lost);
	segment->unread--;
	segment->unread_packets -= head.packets;
	*partition = head.partition;
	*place = (struct fc_spill_place){.segment = segment, .at = at};
	return 1;
}

void fc_spill_files_done(struct fc_spill_files *f, struct fc_spill_place place)
{
	struct fc_spill_segment *segment = place.segment;

	segment->undone--;
	if (segment->undone == 0 && segment != f->tail) {
		remove_segment(f, segment);
		return;
	}
	write_whole(segment->fd,
		&(struct iovec){
			.iov_base = (uint8_t *)(uintptr_t)fc_spill_done,
			.iov_len = FC_SPILL_DONE_BYTES,
		},
		1, place.at + FC_SPILL_AT_DONE);
}
