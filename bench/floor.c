// The floor under a packet: what is left when nothing is there but the work itself. Each frame is copied into a record
// of a Kafka record batch (magic v2), a full batch gets its CRC32C and goes to the kernel by send() on a loopback
// connection, whose other end another thread empties. No partitions, no acknowledgements, no second batch.
//
// It shares no code with the probe, so that it measures the machine and not our way of doing it.
//
//   floor FRAME_BYTES PACKETS        prints CPU time (user and system) of the writing thread, ns per packet
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	FRAMES = 16384,    // more than the caches next to a core hold, as in a probe's packet pool
	FRAME_ROOM = 2176, // DPDK's packet buffer with its headroom
	FRAME_BYTES_MAX = 2048,
	PREFETCH_AHEAD = 8,
	BATCH_BYTES = 1000000, // what a topic takes by default, nearly
	RECORD_EXTRA_MAX = 40, // what a record has around its value, at most
	SOCKET_BUFFER_BYTES = 4 << 20,
	READ_BYTES = 1 << 20,
};

// Record batch header, message format v2 (KIP-98).
struct batch_header {
	uint64_t base_offset;
	uint32_t batch_bytes; // of what follows
	uint32_t leader_epoch;
	uint8_t magic;
	uint32_t crc; // of what follows
	uint16_t attributes;
	uint32_t last_offset_delta;
	uint64_t base_timestamp_ms, max_timestamp_ms;
	uint64_t producer_id;
	uint16_t producer_epoch;
	uint32_t base_sequence;
	uint32_t records;
} __attribute__((packed));
_Static_assert(sizeof(struct batch_header) == 61, "as KIP-98 has it");

struct batch {
	uint8_t *bytes; // header, then records
	uint8_t *end;   // behind the last record
	uint32_t records;
};

static _Noreturn void fail(const char *doing)
{
	fprintf(stderr, "floor: %s: %s\n", doing, strerror(errno));
	exit(1);
}

// ---- the connection -------------------------------------------------------------------------------------------------

// MSG_TRUNC: TCP throws the bytes away and copies nothing, so that the reader disturbs as little as it can.
static void *empty(void *arg)
{
	int connection = accept(*(int *)arg, NULL, NULL);

	if (connection < 0)
		fail("accept");
	while (recv(connection, NULL, READ_BYTES, MSG_TRUNC) > 0)
		;
	close(connection);
	return NULL;
}

static int connect_to(pthread_t *reader, int *listener)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int writer = socket(AF_INET, SOCK_STREAM, 0), on = 1, buffer_bytes = SOCKET_BUFFER_BYTES;

	*listener = socket(AF_INET, SOCK_STREAM, 0);
	if (writer < 0 || *listener < 0 || bind(*listener, (struct sockaddr *)&address, length) != 0 ||
		listen(*listener, 1) != 0 || getsockname(*listener, (struct sockaddr *)&address, &length) != 0)
		fail("loopback socket");
	errno = pthread_create(reader, NULL, empty, listener);
	if (errno != 0)
		fail("thread");
	if (connect(writer, (struct sockaddr *)&address, length) != 0)
		fail("connect");
	setsockopt(writer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(writer, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
	return writer;
}

static void send_all(int connection, const uint8_t *bytes, const uint8_t *end)
{
	while (bytes < end) {
		ssize_t sent = send(connection, bytes, (size_t)(end - bytes), 0);

		if (sent < 0 && errno != EINTR)
			fail("send");
		if (sent > 0)
			bytes += sent;
	}
}

// ---- the batch ------------------------------------------------------------------------------------------------------

static uint32_t zigzag(int32_t value)
{
	return ((uint32_t)value << 1) ^ (uint32_t)(value >> 31);
}

static unsigned varint_bytes(uint32_t value)
{
	return 1u + (unsigned)(31 - __builtin_clz(value | 1)) / 7u;
}

static uint8_t *put_varint(uint8_t *at, uint32_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

static void batch_begin(struct batch *batch)
{
	batch->end = batch->bytes + sizeof(struct batch_header);
	batch->records = 0;
}

// Length, attributes, timestamp delta, offset delta, key, value, number of headers.
static void batch_append(struct batch *batch, uint64_t key, const uint8_t *frame, uint32_t bytes)
{
	uint32_t offset = zigzag((int32_t)batch->records), value = zigzag((int32_t)bytes),
		 key_length = zigzag(sizeof key);
	uint32_t body = 1 + 1 + varint_bytes(offset) + 1 + (uint32_t)sizeof key + varint_bytes(value) + bytes + 1;
	uint64_t key_wire = htobe64(key);
	uint8_t *at = put_varint(batch->end, zigzag((int32_t)body));

	*at++ = 0;
	*at++ = 0;
	at = put_varint(at, offset);
	*at++ = (uint8_t)key_length;
	memcpy(at, &key_wire, sizeof key_wire);
	at = put_varint(at + sizeof key_wire, value);
	memcpy(at, frame, bytes);
	at += bytes;
	*at++ = 0;
	batch->end = at;
	batch->records++;
}

static void batch_seal(struct batch *batch, uint64_t now_ms)
{
	struct batch_header *header = (struct batch_header *)batch->bytes;
	uint8_t *summed = (uint8_t *)&header->attributes;

	*header = (struct batch_header){
		.batch_bytes = htobe32((uint32_t)(batch->end - (uint8_t *)&header->leader_epoch)),
		.magic = 2,
		.last_offset_delta = htobe32(batch->records - 1),
		.base_timestamp_ms = htobe64(now_ms),
		.max_timestamp_ms = htobe64(now_ms),
		.producer_id = UINT64_MAX,
		.producer_epoch = UINT16_MAX,
		.base_sequence = UINT32_MAX,
		.records = htobe32(batch->records),
	};
	// isa-l's crc32_iscsi() is CRC32C without the inversion at the end.
	header->crc = htobe32(~crc32_iscsi(summed, (int)(batch->end - summed), UINT32_MAX));
}

// ---- measuring ------------------------------------------------------------------------------------------------------

static double clock_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint8_t *make_frames(void)
{
	uint8_t *frames = malloc((size_t)FRAMES * FRAME_ROOM);
	uint32_t state = 1;
	size_t k;

	if (frames == NULL)
		fail("frames");
	for (k = 0; k < (size_t)FRAMES * FRAME_ROOM; k++) {
		state = state * 1664525 + 1013904223; // Numerical Recipes' generator
		frames[k] = (uint8_t)(state >> 24);
	}
	return frames;
}

// Returns the CPU seconds of this thread.
static double measure(int connection, const uint8_t *frames, struct batch *batch, uint32_t bytes, uint64_t packets)
{
	uint64_t now_us = (uint64_t)(clock_s(CLOCK_REALTIME) * 1e6), k;
	double start = clock_s(CLOCK_THREAD_CPUTIME_ID);

	batch_begin(batch);
	for (k = 0; k < packets; k++) {
		__builtin_prefetch(frames + (k + PREFETCH_AHEAD) % FRAMES * FRAME_ROOM);
		batch_append(batch, now_us + k, frames + k % FRAMES * FRAME_ROOM, bytes);
		if (batch->end + bytes + RECORD_EXTRA_MAX > batch->bytes + BATCH_BYTES || k + 1 == packets) {
			batch_seal(batch, now_us / 1000);
			send_all(connection, batch->bytes, batch->end);
			batch_begin(batch);
		}
	}
	return clock_s(CLOCK_THREAD_CPUTIME_ID) - start;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *text != '-' && *value >= min && *value <= max;
}

int main(int argc, char **argv)
{
	struct batch batch = {.bytes = malloc(BATCH_BYTES)};
	uint8_t *frames = make_frames();
	uint64_t bytes, packets;
	int listener, connection;
	pthread_t reader;

	if (argc != 3 || !number(argv[1], 1, FRAME_BYTES_MAX, &bytes) || !number(argv[2], 1, UINT32_MAX, &packets)) {
		fprintf(stderr, "usage: floor FRAME_BYTES PACKETS (1 to %d bytes)\n", FRAME_BYTES_MAX);
		return 2;
	}
	if (batch.bytes == NULL)
		fail("batch");
	connection = connect_to(&reader, &listener);
	// Pages and caches as they are in the middle of a run.
	measure(connection, frames, &batch, (uint32_t)bytes, FRAMES);
	printf("%.2f\n", measure(connection, frames, &batch, (uint32_t)bytes, packets) / (double)packets * 1e9);
	shutdown(connection, SHUT_WR);
	pthread_join(reader, NULL);
	close(connection);
	close(listener);
	free(batch.bytes);
	free(frames);
	return 0;
}
