#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

enum {
	SIZE_BYTES = 4,
	CORRELATION_BYTES = 4,
	ACKS_ALL = -1,
};

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

int fc_connection_init(struct fc_connection *c)
{
	*c = (struct fc_connection){.transport = NULL};
	c->requests = calloc(FC_CONNECTION_REQUESTS_MAX, sizeof *c->requests);
	c->received = malloc(FC_RESPONSE_BYTES_MAX);
	if (c->requests != NULL && c->received != NULL)
		return 0;
	fc_connection_destroy(c);
	return fc_error(ENOMEM, "out of memory");
}

void fc_connection_destroy(struct fc_connection *c)
{
	fc_connection_detach(c);
	free(c->requests);
	free(c->received);
	c->requests = NULL;
	c->received = NULL;
}

void fc_connection_attach(struct fc_connection *c, struct fc_transport *transport, int16_t version)
{
	c->transport = transport;
	c->version = version;
	c->received_bytes = 0;
}

void fc_connection_detach(struct fc_connection *c)
{
	fc_transport_close(c->transport);
	c->transport = NULL;
}

static struct fc_request *request_at(const struct fc_connection *c, unsigned index)
{
	return &c->requests[(c->first + index) % FC_CONNECTION_REQUESTS_MAX];
}

bool fc_connection_is_writing(const struct fc_connection *c)
{
	const struct fc_request *last;

	if (c->in_flight == 0)
		return false;
	last = request_at(c, c->in_flight - 1);
	return last->written < last->bytes;
}

bool fc_connection_is_free(const struct fc_connection *c)
{
	return c->transport != NULL && c->in_flight < FC_CONNECTION_REQUESTS_MAX && !fc_connection_is_writing(c);
}

int fc_connection_request(struct fc_connection *c, const struct fc_request_terms *terms,
	struct fc_batch *const *batches, uint32_t count, int64_t now_ns)
{
	struct fc_request *r = request_at(c, c->in_flight);
	uint32_t body_bytes = 0, k;

	for (k = 0; k < count; k++) {
		const struct fc_batch *batch = batches[k];

		fc_produce_partition_head_write(batch->memory, batch->partition, batch->records.bytes);
		body_bytes += FC_PRODUCE_PARTITION_HEAD_BYTES + batch->records.bytes;
		r->batches[k] = batches[k];
	}
	r->batch_count = count;
	r->correlation_id = c->correlation_id = (int32_t)(((uint32_t)c->correlation_id + 1) & INT32_MAX);
	r->begun_ns = now_ns;
	r->head_bytes = fc_produce_head_write(r->head, sizeof r->head,
		&(struct fc_produce_head){
			.version = c->version,
			.correlation_id = r->correlation_id,
			.client_id = terms->client_id,
			.topic = terms->topic,
			.acks = ACKS_ALL,
			.timeout_ms = terms->timeout_ms,
			.partitions = count,
			.body_bytes = body_bytes,
		});
	r->bytes = r->head_bytes + body_bytes;
	r->written = 0;
	c->in_flight++;
	return r->head_bytes > 0 ? fc_connection_write(c) : -EMSGSIZE;
}

// Adds the part of `bytes` bytes at `at` that lies behind the first `*skip` bytes of what is left to be added.
static int add_part(struct iovec *parts, int count, uint8_t *at, uint32_t bytes, uint32_t *skip)
{
	if (*skip >= bytes) {
		*skip -= bytes;
		return count;
	}
	parts[count] = (struct iovec){.iov_base = at + *skip, .iov_len = bytes - *skip};
	*skip = 0;
	return count + 1;
}

int fc_connection_write(struct fc_connection *c)
{
	struct fc_request *r;

	while (fc_connection_is_writing(c)) {
		struct iovec parts[1 + FC_REQUEST_BATCHES_MAX];
		uint32_t skip, k;
		ssize_t sent;
		int count;

		r = request_at(c, c->in_flight - 1);
		skip = r->written;
		count = add_part(parts, 0, r->head, r->head_bytes, &skip);
		for (k = 0; k < r->batch_count; k++)
			count = add_part(parts, count, r->batches[k]->memory,
				FC_PRODUCE_PARTITION_HEAD_BYTES + r->batches[k]->records.bytes, &skip);
		sent = fc_transport_send(c->transport, parts, count);
		if (sent == -EAGAIN)
			return 0;
		if (sent < 0)
			return (int)sent;
		r->written += (uint32_t)sent;
	}
	return 0;
}

struct fc_request *fc_connection_oldest(const struct fc_connection *c)
{
	return c->in_flight > 0 ? request_at(c, 0) : NULL;
}

void fc_connection_drop_oldest(struct fc_connection *c)
{
	c->first = (c->first + 1) % FC_CONNECTION_REQUESTS_MAX;
	c->in_flight--;
}

// Serves the whole responses among what was received. How many, or -EBADMSG.
static int serve(struct fc_connection *c, fc_connection_on_response *on_response, void *context)
{
	uint32_t at = 0;
	int served = 0;

	while (c->received_bytes - at >= SIZE_BYTES) {
		const uint8_t *response = c->received + at;
		struct fc_request *r = fc_connection_oldest(c);
		uint32_t size = read_u32(response);

		if (size < CORRELATION_BYTES || size > FC_RESPONSE_BYTES_MAX - SIZE_BYTES)
			return -EBADMSG;
		if (c->received_bytes - at < SIZE_BYTES + size)
			break;
		// A broker answers in order, and not before it has the whole request.
		if (r == NULL || r->written < r->bytes ||
			read_u32(response + SIZE_BYTES) != (uint32_t)r->correlation_id)
			return -EBADMSG;
		if (!on_response(context, r, response + SIZE_BYTES + CORRELATION_BYTES, size - CORRELATION_BYTES))
			return -EBADMSG;
		fc_connection_drop_oldest(c);
		at += SIZE_BYTES + size;
		served++;
	}
	c->received_bytes -= at;
	if (at > 0)
		memmove(c->received, c->received + at, c->received_bytes);
	return served;
}

int fc_connection_read(struct fc_connection *c, fc_connection_on_response *on_response, void *context)
{
	int total = 0;

	for (;;) {
		uint32_t room = FC_RESPONSE_BYTES_MAX - c->received_bytes;
		ssize_t got = fc_transport_recv(c->transport, c->received + c->received_bytes, room);
		int served;

		if (got == -EAGAIN)
			return total;
		if (got <= 0)
			return got == 0 ? -EPIPE : (int)got;
		c->received_bytes += (uint32_t)got;
		served = serve(c, on_response, context);
		if (served < 0)
			return served;
		total += served;
		// What is left is in the socket still, or not there yet: the next call.
		if ((uint32_t)got < room)
			return total;
	}
}
