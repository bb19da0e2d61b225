#include "spill_thread.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "../clock.h"
#include "../error.h"

#define SYNC_NS FC_NS_PER_S
#define SAY_AGAIN_NS (60 * FC_NS_PER_S)

enum {
	LETTERS = 256,
	// So much is on its way to the disk at most when a sync begins, which nothing else waits longer for.
	SYNC_BYTES = 16 << 20,
	NAP_NS_MIN = 50000,
	NAP_NS_MAX = 2000000,
};

static void say(struct fc_spill_thread *t, int error)
{
	const struct fc_spill_directory *d = t->files.directory;
	int64_t now_ns = fc_monotonic_ns();

	if (error == t->said_error && now_ns - t->said_ns < SAY_AGAIN_NS)
		return;
	t->said_error = error;
	t->said_ns = now_ns;
	if (error == -EDQUOT)
		fc_event(t->events, LOG_WARNING,
			"--spill %s: full, with the %" PRIu64
			" MiB of --spill-max; until Kafka has taken some, packets that "
			"fit nowhere are dropped at the ring",
			d->path, d->bytes_max >> 20);
	else
		fc_event(t->events, LOG_ERR,
			"--spill %s: cannot be written to: %s; tried again every 10 s, and until then packets that fit "
			"nowhere are dropped at the ring",
			d->path, strerror(-error));
}

static void write_one(struct fc_spill_thread *t, const struct fc_spill_letter *letter, struct fc_spill_reply *reply)
{
	struct fc_record_batch *records = &letter->batch->records;
	int error;

	*reply = (struct fc_spill_reply){.result = FC_SPILL_REFUSED, .batch = letter->batch};
	if (letter->attempt == t->refused_attempt)
		return;
	// Who sends it is written when it is replayed.
	fc_record_batch_stamp(records->start, records->bytes, -1, -1, -1);
	error = fc_spill_files_append(&t->files, letter->batch->partition, records);
	if (error == 0) {
		reply->result = FC_SPILL_WRITTEN;
		return;
	}
	t->refused_attempt = letter->attempt;
	reply->full = error == -EDQUOT;
	say(t, error);
}

static void read_one(struct fc_spill_thread *t, const struct fc_spill_letter *letter, struct fc_spill_reply *reply)
{
	struct fc_batch *batch = letter->batch;
	int got;

	*reply = (struct fc_spill_reply){.result = FC_SPILL_LOST, .batch = batch};
	got = fc_spill_files_read(&t->files, &batch->records, &batch->partition, &reply->place, &reply->lost);
	if (got == 1) {
		reply->result = FC_SPILL_HAS_READ;
	} else if (got == -EMSGSIZE) {
		reply->result = FC_SPILL_TOO_SMALL;
		reply->bytes = batch->records.bytes;
	} else {
		fc_event(t->events, LOG_ERR, "--spill %s: %" PRIu64 " packets cannot be read back: they are lost",
			t->files.directory->path, reply->lost.packets);
	}
}

static bool serve(struct fc_spill_thread *t)
{
	struct fc_spill_letter letter;
	struct fc_spill_reply reply;

	if (!fc_mailbox_collect(&t->letters, &letter))
		return false;
	switch (letter.task) {
	case FC_SPILL_WRITE:
		write_one(t, &letter, &reply);
		fc_mailbox_post(&t->replies, &reply);
		break;
	case FC_SPILL_READ:
		read_one(t, &letter, &reply);
		fc_mailbox_post(&t->replies, &reply);
		break;
	case FC_SPILL_DONE:
		fc_spill_files_done(&t->files, letter.place);
		break;
	case FC_SPILL_TURN:
		fc_spill_files_turn(&t->files);
		break;
	}
	return true;
}

static void sync_when_due(struct fc_spill_thread *t)
{
	int64_t now_ns;
	int error;

	if (t->files.unsynced == 0)
		return;
	now_ns = fc_monotonic_ns();
	if (t->files.unsynced < SYNC_BYTES && now_ns - t->sync_ns < SYNC_NS)
		return;
	t->sync_ns = now_ns;
	error = fc_spill_files_sync(&t->files);
	if (error != 0)
		say(t, error);
}

static void *run(void *arg)
{
	struct fc_spill_thread *t = arg;
	long nap_ns = NAP_NS_MIN;

	pthread_setname_np(pthread_self(), t->name); // of another thread it is a file
	for (;;) {
		// Read before the letters: after it, none is posted.
		bool last = atomic_load(&t->stop);

		if (serve(t)) {
			nap_ns = NAP_NS_MIN;
			sync_when_due(t);
			continue;
		}
		if (last)
			return NULL;
		sync_when_due(t);
		nanosleep(&(struct timespec){.tv_nsec = nap_ns}, NULL);
		nap_ns = nap_ns < NAP_NS_MAX / 2 ? nap_ns * 2 : NAP_NS_MAX;
	}
}

int fc_spill_thread_start(struct fc_spill_thread *t, struct fc_events *events, uint16_t worker)
{
	sigset_t all, before;
	int error;

	snprintf(t->name, sizeof t->name, "fc-spill-%hu", worker);
	t->events = events;
	t->sync_ns = fc_monotonic_ns();
	atomic_init(&t->stop, false);
	error = fc_mailbox_open(&t->letters, LETTERS, sizeof(struct fc_spill_letter));
	if (error == 0)
		error = fc_mailbox_open(&t->replies, FC_SPILL_REPLIES_MAX, sizeof(struct fc_spill_reply));
	if (error != 0)
		return error;
	// Signals are for the control thread; and a file that may not grow is an error here, not the end (SIGXFSZ).
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&t->id, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		return fc_error(error, "cannot start a thread for --spill: %s", strerror(error));
	t->started = true;
	return 0;
}

void fc_spill_thread_end(struct fc_spill_thread *t)
{
	if (t->started) {
		atomic_store(&t->stop, true);
		pthread_join(t->id, NULL);
		t->started = false;
	}
	fc_mailbox_close(&t->letters);
	fc_mailbox_close(&t->replies);
}
