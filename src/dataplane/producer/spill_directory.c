#include "spill_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"

enum {
	SEGMENT_SHARE = 64, // of what the directory may have: so much is free again when a segment is done
	SEGMENT_BYTES_MIN = 1 << 20,
	SEGMENT_BYTES_MAX = 1 << 28,
};

void fc_spill_name_write(char *to, const struct fc_spill_name *name)
{
	snprintf(to, FC_SPILL_NAME_BYTES, "%05u-%016" PRIx64 ".spill", name->worker, name->number);
}

static bool read_name(const char *from, struct fc_spill_name *name)
{
	char again[FC_SPILL_NAME_BYTES];
	unsigned worker;

	if (sscanf(from, "%5u-%16" SCNx64, &worker, &name->number) != 2 || worker > UINT16_MAX)
		return false;
	name->worker = (uint16_t)worker;
	fc_spill_name_write(again, name);
	return strcmp(from, again) == 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct fc_spill_name *left = a, *right = b;

	if (left->worker != right->worker)
		return left->worker < right->worker ? -1 : 1;
	return left->number < right->number ? -1 : left->number > right->number;
}

static int list(struct fc_spill_directory *d)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct fc_spill_name name, *names;
	struct dirent *entry;
	struct stat status;

	if (directory == NULL) {
		if (fd >= 0)
			close(fd);
		return fc_error(EINVAL, "--spill %s: cannot be listed: %s", d->path, strerror(errno));
	}
	while ((entry = readdir(directory)) != NULL) {
		if (!read_name(entry->d_name, &name) ||
			fstatat(d->fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
			continue;
		names = realloc(d->names, (d->name_count + 1) * sizeof *names);
		if (names == NULL) {
			closedir(directory);
			return fc_error(ENOMEM, "out of memory");
		}
		d->names = names;
		d->names[d->name_count++] = name;
	}
	closedir(directory);
	if (d->name_count > 0)
		qsort(d->names, d->name_count, sizeof *d->names, compare_names);
	return 0;
}

static int open_and_lock(struct fc_spill_directory *d)
{
	if (mkdir(d->path, 0700) != 0 && errno != EEXIST)
		return fc_error(EINVAL, "--spill %s: cannot be made: %s", d->path, strerror(errno));
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return fc_error(EINVAL, "--spill %s: cannot be opened: %s", d->path, strerror(errno));
	d->lock = openat(d->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->lock < 0)
		return fc_error(EINVAL, "--spill %s: cannot be written to: %s", d->path, strerror(errno));
	if (flock(d->lock, LOCK_EX | LOCK_NB) != 0)
		return fc_error(EINVAL, "--spill %s: another probe uses it; give each a directory of its own", d->path);
	return 0;
}

int fc_spill_directory_open(
	struct fc_spill_directory *d, const char *path, uint64_t bytes_max, enum fc_spill_sync sync, uint16_t workers)
{
	uint64_t share = bytes_max / SEGMENT_SHARE;
	int error;

	*d = (struct fc_spill_directory){
		.path = path,
		.fd = -1,
		.lock = -1,
		.workers = workers,
		.sync = sync,
		.bytes_max = bytes_max,
		.segment_bytes = share < SEGMENT_BYTES_MIN   ? SEGMENT_BYTES_MIN
				 : share > SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX
							     : share,
	};
	atomic_init(&d->bytes, 0);
	error = open_and_lock(d);
	if (error == 0)
		error = list(d);
	if (error != 0)
		fc_spill_directory_close(d);
	return error;
}

void fc_spill_directory_close(struct fc_spill_directory *d)
{
	if (d->fd >= 0)
		close(d->fd);
	if (d->lock >= 0)
		close(d->lock);
	free(d->names);
	d->fd = d->lock = -1;
	d->names = NULL;
	d->name_count = 0;
}

bool fc_spill_directory_reserve(struct fc_spill_directory *d, uint64_t bytes)
{
	if (atomic_fetch_add(&d->bytes, bytes) + bytes <= d->bytes_max)
		return true;
	atomic_fetch_sub(&d->bytes, bytes);
	return false;
}

void fc_spill_directory_release(struct fc_spill_directory *d, uint64_t bytes)
{
	atomic_fetch_sub(&d->bytes, bytes);
}
