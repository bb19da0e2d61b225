// Loaded before the C library: counts what the tx workers ask of it that may allocate, lock or wait, so that a test can
// tell that they do not. Calls of all other threads pass through without being counted.
//
// The counts are rows of text and number in the file that LOOP_WATCH names, mapped by every process of the probe; a
// reader takes the difference of two looks.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define WATCHED "fc-tx-"

enum { THREADS_MAX = 64, NAME_BYTES = 24, CALLS_MAX = 64 };

// One row of the file.
struct row {
	char name[NAME_BYTES];
	_Atomic uint64_t count;
};

static struct row *rows; // CALLS_MAX of them; NULL until they are mapped
static _Atomic unsigned threads;
static pthread_t watched[THREADS_MAX]; // of the workers; readers: any, up to `threads`

// The call's row begins with its number, which the macros below give it.
static void count(unsigned call, const char *name)
{
	unsigned known = atomic_load_explicit(&threads, memory_order_acquire), k;

	if (known == 0 || rows == NULL)
		return;
	for (k = 0; k < known; k++) {
		if (!pthread_equal(watched[k], pthread_self()))
			continue;
		strncpy(rows[call].name, name, NAME_BYTES - 1);
		atomic_fetch_add(&rows[call].count, 1);
		return;
	}
}

__attribute__((constructor)) static void open_rows(void)
{
	const char *path = getenv("LOOP_WATCH");
	size_t bytes = CALLS_MAX * sizeof *rows;
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *mapped;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
		return;
	mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	rows = mapped == MAP_FAILED ? NULL : mapped;
}

// A worker's name is what tells it from the others; it is set by the thread that starts it.
int pthread_setname_np(pthread_t thread, const char *name)
{
	static int (*real)(pthread_t, const char *);
	unsigned known = atomic_load(&threads);

	if (real == NULL)
		real = (int (*)(pthread_t, const char *))dlsym(RTLD_NEXT, "pthread_setname_np");
	if (strncmp(name, WATCHED, strlen(WATCHED)) == 0 && known < THREADS_MAX) {
		watched[known] = thread;
		atomic_store_explicit(&threads, known + 1, memory_order_release);
	}
	return real(thread, name);
}

// A function that is counted and then does what it always did. `parameters` and `arguments` are in brackets.
#define PASS(type, name, parameters, arguments)                                                                        \
	type name parameters                                                                                           \
	{                                                                                                              \
		static type(*real) parameters;                                                                         \
                                                                                                                       \
		count(__COUNTER__, #name);                                                                             \
		if (real == NULL)                                                                                      \
			real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                            \
		return real arguments;                                                                                 \
	}

// Memory. glibc's own names: dlsym() itself allocates.
#define MEMORY(type, name, parameters, arguments)                                                                      \
	extern type __libc_##name parameters;                                                                          \
	type name parameters                                                                                           \
	{                                                                                                              \
		count(__COUNTER__, #name);                                                                             \
		return __libc_##name arguments;                                                                        \
	}

MEMORY(void *, malloc, (size_t bytes), (bytes))
MEMORY(void *, calloc, (size_t number, size_t bytes), (number, bytes))
MEMORY(void *, realloc, (void *memory, size_t bytes), (memory, bytes))
MEMORY(void *, memalign, (size_t alignment, size_t bytes), (alignment, bytes))

extern void __libc_free(void *memory);
void free(void *memory)
{
	if (memory != NULL)
		count(__COUNTER__, "free");
	__libc_free(memory);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	count(__COUNTER__, "aligned_alloc");
	return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **to, size_t alignment, size_t bytes)
{
	count(__COUNTER__, "posix_memalign");
	*to = __libc_memalign(alignment, bytes);
	return *to != NULL ? 0 : ENOMEM;
}

PASS(void *, mmap, (void *at, size_t bytes, int protection, int flags, int fd, off_t offset),
	(at, bytes, protection, flags, fd, offset))
PASS(int, munmap, (void *at, size_t bytes), (at, bytes))
PASS(int, madvise, (void *at, size_t bytes, int advice), (at, bytes, advice))

// Locks. Conditions are waited for with one of these.
PASS(int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
PASS(int, pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
PASS(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
PASS(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
PASS(int, pthread_spin_lock, (pthread_spinlock_t * lock), (lock))
PASS(int, mtx_lock, (mtx_t * mutex), (mutex))
PASS(int, mtx_trylock, (mtx_t * mutex), (mutex))
PASS(int, sem_wait, (sem_t * semaphore), (semaphore))
PASS(int, sem_post, (sem_t * semaphore), (semaphore))

// Waits, and what may be one.
PASS(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left))
PASS(int, usleep, (useconds_t us), (us))
PASS(int, sched_yield, (void), ())
PASS(int, poll, (struct pollfd * fds, nfds_t number, int timeout_ms), (fds, number, timeout_ms))
PASS(int, select, (int number, fd_set *to_read, fd_set *to_write, fd_set *failed, struct timeval *timeout),
	(number, to_read, to_write, failed, timeout))
PASS(int, epoll_wait, (int fd, struct epoll_event *events, int number, int timeout_ms),
	(fd, events, number, timeout_ms))
PASS(ssize_t, read, (int fd, void *to, size_t bytes), (fd, to, bytes))
PASS(ssize_t, write, (int fd, const void *from, size_t bytes), (fd, from, bytes))
PASS(int, connect, (int fd, const struct sockaddr *address, socklen_t bytes), (fd, address, bytes))
PASS(int, close, (int fd), (fd))

// Not blocking, as long as the flags say so.
PASS(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
PASS(ssize_t, send, (int fd, const void *from, size_t bytes, int flags), (fd, from, bytes, flags))
PASS(ssize_t, recv, (int fd, void *to, size_t bytes, int flags), (fd, to, bytes, flags))
