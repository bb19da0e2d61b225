// The thread that writes and reads the spilled batches of one tx worker, so that the worker never waits for a disk. The
// two talk through mailboxes; a batch in a letter belongs to the thread until it comes back in the reply.
//
// It runs on the control CPUs, with every signal blocked, and sleeps when there is nothing to do.
#ifndef FC_SPILL_THREAD_H
#define FC_SPILL_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../events.h"
#include "batch.h"
#include "mailbox.h"
#include "spill_files.h"

enum {
	// Replies that may be due at a time, so that their mailbox is never full: the worker's to observe.
	FC_SPILL_REPLIES_MAX = 64,
};

// Worker to thread.
struct fc_spill_letter {
	enum {
		FC_SPILL_WRITE, // `batch`, sealed; replied to
		FC_SPILL_READ,  // the next batch into `batch`, empty; replied to
		FC_SPILL_DONE,  // what was read from `place` is settled
		FC_SPILL_TURN,  // what is written from now on stands before all the rest; nothing will be read
	} task;
	// Of writing: once one of an attempt is refused, all that follow of the same are, so that their order stays.
	uint32_t attempt;
	struct fc_batch *batch;
	struct fc_spill_place place;
};

// Thread to worker, in the order of the letters.
struct fc_spill_reply {
	enum {
		FC_SPILL_WRITTEN,
		FC_SPILL_REFUSED,   // not written; `full`: not before some are done
		FC_SPILL_HAS_READ,  // `batch` is from `place`
		FC_SPILL_TOO_SMALL, // the next batch needs `bytes`
		FC_SPILL_LOST,      // `lost` cannot be read
	} result;
	bool full;
	uint32_t bytes;
	struct fc_batch *batch;
	struct fc_spill_place place;
	struct fc_spill_lost lost;
};

struct fc_spill_thread {
	struct fc_spill_files files; // the thread's while it runs
	struct fc_mailbox letters;   // writer: the worker
	struct fc_mailbox replies;   // writer: the thread
	struct fc_events *events;    // of the pipeline
	atomic_bool stop;            // writer: control thread
	pthread_t id;
	bool started;  // writer: control thread
	char name[16]; // as much as the kernel keeps

	// The thread's own.
	uint32_t refused_attempt;
	int said_error;
	int64_t said_ns, sync_ns; // monotonic
};

// Starts it; `files` are open. Control thread. 0 or -errno with fc_error().
int fc_spill_thread_start(struct fc_spill_thread *t, struct fc_events *events, uint16_t worker);
// Ends it when it has read all letters. Control thread, after the worker has ended; harmless when it was never started.
void fc_spill_thread_end(struct fc_spill_thread *t);

#endif
