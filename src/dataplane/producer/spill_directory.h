// The directory of --spill, which one probe has to itself: its lock, the names of its segments, how much may be in it.
//
// The control thread opens and closes; in between spill threads share it.
#ifndef FC_SPILL_DIRECTORY_H
#define FC_SPILL_DIRECTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../dataplane.h"

enum { FC_SPILL_NAME_BYTES = 32 };

struct fc_spill_directory {
	const char *path; // borrowed
	int fd, lock;     // -1: not open; the lock is held as long as it is open
	uint16_t workers;
	enum fc_spill_sync sync;
	uint64_t bytes_max, segment_bytes;
	_Atomic uint64_t bytes;      // of all segments; writers: spill threads, control thread; readers: any
	struct fc_spill_name *names; // owned: of the segments that were found, in order
	size_t name_count;
};

// Which segment: of a tx worker, in the order of their numbers.
struct fc_spill_name {
	uint16_t worker;
	uint64_t number;
};

// Makes the directory if need be, locks it and lists its segments. `path` is borrowed until it is closed. Control
// thread. 0 or -EINVAL with fc_error().
int fc_spill_directory_open(
	struct fc_spill_directory *d, const char *path, uint64_t bytes_max, enum fc_spill_sync sync, uint16_t workers);
void fc_spill_directory_close(struct fc_spill_directory *d);

// Writes the file name of a segment, FC_SPILL_NAME_BYTES at most.
void fc_spill_name_write(char *to, const struct fc_spill_name *name);

// Takes bytes of what the directory may have, whoever gives them back; false when there are not so many. Any thread.
bool fc_spill_directory_reserve(struct fc_spill_directory *d, uint64_t bytes);
void fc_spill_directory_release(struct fc_spill_directory *d, uint64_t bytes);

#endif
