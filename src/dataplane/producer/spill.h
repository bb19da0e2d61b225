// Direct producer, when Kafka cannot take more: sealed batches wait on the disk instead of in memory, and come back in
// order. This is the tx worker's side; spill_thread.c has the files.
//
// Behind the batches that partitions have, there is one queue for all of them: its head is on the disk, its end in
// memory. While anything is in it, every batch that is sealed goes to its end. A batch gets its sequence number when it
// leaves the queue, so no broker has ever heard of what is in it. docs/spill.md.
//
// All functions with a `struct fc_direct *` are called from the tx worker's thread, and only if it has a spill.
#ifndef FC_SPILL_H
#define FC_SPILL_H

#include <stdbool.h>
#include <stdint.h>

struct fc_batch;
struct fc_direct;
struct fc_spill;
struct fc_spill_directory;

// Takes over what earlier runs have left for this worker, and starts the thread; the pool is open. Control thread. NULL
// with fc_error().
struct fc_spill *fc_spill_open(struct fc_direct *d, struct fc_spill_directory *directory, uint32_t open_at_once);
// Control thread, after the worker has ended and before its pool is closed. NULL is harmless.
void fc_spill_close(struct fc_spill *s);

// Whether a batch that has just been sealed has to be queued: fc_spill_add() then takes it.
bool fc_spill_wants(const struct fc_direct *d);
void fc_spill_add(struct fc_direct *d, struct fc_batch *batch);

// Whether something is queued, which whatever is sealed has to stand behind.
bool fc_spill_is_behind(const struct fc_direct *d);
// Whether a batch can be queued and its memory will be free soon.
bool fc_spill_can_write(const struct fc_direct *d);
// Whether the last free batches, for a record of so many bytes, are needed to go on reading.
bool fc_spill_keeps(const struct fc_direct *d, uint64_t bytes);

// One round: replies, what has to be written, what can be read back.
void fc_spill_round(struct fc_direct *d);

// A batch that was read back, or a part of it, is delivered or has failed.
void fc_spill_settled(struct fc_direct *d, const struct fc_batch *batch);

// At the end of the drain: writes what is in memory, for the next run. What cannot be written and is not on the disk
// has failed. Waits for the disk, eight seconds at most.
void fc_spill_keep(struct fc_direct *d);

#endif
