// Any bytes as what a broker sends, in pieces of any size, while requests go out through a socket that takes as little
// as it likes. The first byte chooses the version of Produce, the second how many requests are sent; then pieces, each
// behind a byte of its length. The network is this file's: producer/transport.c is not linked.
#include <errno.h>
#include <stdint.h>

#include "producer/connection.h"
#include "producer/produce.h"

#include "expect.h"

enum {
	BATCH_BYTES = 100,
	VERSIONS = FC_PRODUCE_VERSION_MAX - FC_PRODUCE_VERSION_MIN + 1,
	// A piece that is as long as this stands for a socket that has nothing now.
	NOTHING = 255,
};

struct fc_transport {
	const uint8_t *at, *end; // what the broker still sends
	size_t left;             // of the piece that is being received
	size_t taken;            // bytes, in all
	bool closed;
};

struct served {
	const struct fc_connection *connection;
	int32_t next; // correlation id
	int16_t version;
	unsigned count; // of those that made sense
};

ssize_t fc_transport_send(struct fc_transport *t, const struct iovec *parts, int count)
{
	// As many bytes as the last one that was received says.
	size_t most = t->at < t->end ? *t->at : BATCH_BYTES, bytes = 0;

	for (int k = 0; k < count; k++)
		bytes += parts[k].iov_len;
	expect(bytes > 0);
	if (most == 0)
		return -EAGAIN;
	bytes = bytes < most ? bytes : most;
	t->taken += bytes;
	return (ssize_t)bytes;
}

ssize_t fc_transport_recv(struct fc_transport *t, void *to, size_t bytes)
{
	expect(bytes > 0);
	if (t->at == t->end)
		return 0;
	if (t->left == 0) {
		t->left = *t->at++;
		if (t->left == NOTHING) {
			t->left = 0;
			return -EAGAIN;
		}
	}
	bytes = bytes < t->left ? bytes : t->left;
	bytes = bytes < (size_t)(t->end - t->at) ? bytes : (size_t)(t->end - t->at);
	memcpy(to, t->at, bytes);
	t->at += bytes;
	t->left -= bytes;
	return bytes > 0 ? (ssize_t)bytes : -EAGAIN;
}

void fc_transport_close(struct fc_transport *t)
{
	if (t != NULL)
		t->closed = true;
}

static bool on_response(void *context, struct fc_request *request, const uint8_t *bytes, uint32_t size)
{
	struct served *served = context;
	struct fc_produce_response response;
	struct fc_produce_result result;
	uint8_t *copy = copy_of(bytes, size);
	int status;

	expect(request == fc_connection_oldest(served->connection) && request->correlation_id == served->next);
	expect(request->written == request->bytes && size <= FC_RESPONSE_BYTES_MAX);
	served->next++;
	fc_produce_response_open(&response, copy, size, served->version, "packets");
	while ((status = fc_produce_response_next(&response, &result)) == 1)
		;
	free(copy);
	served->count += status == 0;
	return status == 0;
}

static unsigned send_requests(struct fc_connection *c, struct fc_batch *batch, unsigned wanted)
{
	const struct fc_request_terms terms = {.client_id = "fuzz", .topic = "packets", .timeout_ms = 1000};
	unsigned sent = 0;

	while (sent < wanted && fc_connection_is_free(c)) {
		expect(fc_connection_request(c, &terms, &batch, 1, sent) == 0);
		sent++;
	}
	return sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t memory[FC_PRODUCE_PARTITION_HEAD_BYTES + BATCH_BYTES] = {0};
	struct fc_batch batch = {.memory = memory, .records.bytes = BATCH_BYTES};
	struct fc_transport transport = {0};
	struct served served = {.next = 1};
	struct fc_connection c;
	unsigned wanted, sent = 0;
	int got = 0;

	if (size < 2)
		return 0;
	transport.at = data + 2;
	transport.end = data + size;
	served.version = (int16_t)(FC_PRODUCE_VERSION_MIN + data[0] % VERSIONS);
	served.connection = &c;
	wanted = data[1] % 32;
	expect(fc_connection_init(&c) == 0);
	fc_connection_attach(&c, &transport, served.version);
	// Each round receives a byte at least, or the end of what there is.
	while (got >= 0) {
		sent += send_requests(&c, &batch, wanted - sent);
		expect(fc_connection_write(&c) == 0);
		got = fc_connection_read(&c, on_response, &served);
		expect(c.in_flight <= FC_CONNECTION_REQUESTS_MAX && c.in_flight == sent - served.count);
		expect(c.received_bytes <= FC_RESPONSE_BYTES_MAX);
	}
	expect(got == -EPIPE || got == -EBADMSG);
	// What was not answered is there to be sent again.
	fc_connection_detach(&c);
	for (; fc_connection_oldest(&c) != NULL; sent--)
		fc_connection_drop_oldest(&c);
	expect(sent == served.count && transport.closed);
	fc_connection_destroy(&c);
	return 0;
}
