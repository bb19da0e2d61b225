// Spilled batches in files: for each tx worker, segments that together are one queue of batches, written at its tail
// and read from its head.
//
// The control thread opens and closes; in between a worker's files are its spill thread's.
#ifndef FC_SPILL_FILES_H
#define FC_SPILL_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "record_batch.h"
#include "spill_directory.h"

struct fc_spill_segment {
	TAILQ_ENTRY(fc_spill_segment) link;
	struct fc_spill_name name;
	int fd;           // -1: closed
	uint64_t bytes;   // of whole batches, and the head
	uint64_t batches; // ever written
	uint64_t unread;  // batches, those that are done apart
	uint64_t unread_packets;
	uint64_t undone; // batches: unread ones, and those that are read and not settled
};

TAILQ_HEAD(fc_spill_segments, fc_spill_segment);

struct fc_spill_files {
	struct fc_spill_directory *directory; // borrowed
	const char *topic;                    // borrowed
	uint16_t worker;
	bool front; // what is written stands before all the rest
	struct fc_spill_segments segments;
	struct fc_spill_segment *tail;   // is written to; NULL: the next batch begins one
	struct fc_spill_segment *cursor; // is read from; NULL: nothing has been read yet
	uint64_t read_at;                // of the cursor's next batch
	uint64_t next_number;
	uint64_t unsynced; // bytes
};

// Where a batch is that was read. Its segment lives until fc_spill_files_done() has been called for all of its batches.
struct fc_spill_place {
	struct fc_spill_segment *segment;
	uint64_t at;
};

// What earlier runs have left.
struct fc_spill_found {
	uint64_t batches, packets;
	uint32_t batch_bytes_max;
	uint64_t torn_bytes; // behind the last whole batch of a segment: dropped
};

// What cannot be read any more.
struct fc_spill_lost {
	uint64_t batches, packets;
};

// Takes over the segments of tx worker `worker`, and of workers that there are no more, cutting off what is torn.
// `topic` is borrowed until it is closed. Control thread. 0 or -errno with fc_error(); then too it has to be closed.
int fc_spill_files_open(struct fc_spill_files *f, struct fc_spill_directory *directory, uint16_t worker,
	const char *topic, int32_t partitions, struct fc_spill_found *found);
// What is not done stays for the next run.
void fc_spill_files_close(struct fc_spill_files *f);

// Writes a sealed and stamped batch behind all others. 0, or -errno, and nothing has changed: -EDQUOT when the
// directory would have more than it may.
int fc_spill_files_append(struct fc_spill_files *f, int32_t partition, const struct fc_record_batch *records);

// From here on, fc_spill_files_append() writes before all that has not been read: for batches that are older. Nothing
// can be read any more.
void fc_spill_files_turn(struct fc_spill_files *f);

// Forces what was written to the disk. 0 or -errno.
int fc_spill_files_sync(struct fc_spill_files *f);

// Reads the next batch into `to`, which is open and empty. 1; 0: there is none; -EMSGSIZE: `to` is too small, and
// `to->bytes` what is needed; -EBADMSG: `lost` is damaged or gone, and what follows can be read.
int fc_spill_files_read(struct fc_spill_files *f, struct fc_record_batch *to, int32_t *partition,
	struct fc_spill_place *place, struct fc_spill_lost *lost);

// A batch that was read is settled: it is not replayed in another run. A segment without any other is removed.
void fc_spill_files_done(struct fc_spill_files *f, struct fc_spill_place place);

#endif
