// One connection of a tx worker to one broker: Produce requests out, several of them in flight, responses in, matched
// by correlation id. Never blocks. The worker's thread.
#ifndef FC_CONNECTION_H
#define FC_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"
#include "transport.h"

enum {
	FC_CONNECTION_REQUESTS_MAX = 5,
	FC_REQUEST_BATCHES_MAX = 64,
	// A response to so many batches is some kilobytes; error texts may be long.
	FC_RESPONSE_BYTES_MAX = 1 << 17,
};

struct fc_request {
	int32_t correlation_id;
	int64_t begun_ns;                                 // monotonic
	struct fc_batch *batches[FC_REQUEST_BATCHES_MAX]; // one per partition; flying
	uint32_t batch_count;
	uint32_t bytes, written; // of the whole request
	uint32_t head_bytes;
	uint8_t head[1024]; // size, request header, topic: what stands before the first batch
};

struct fc_connection {
	struct fc_transport *transport; // owned; NULL: not connected
	int16_t version;                // of Produce
	int32_t correlation_id;         // of the last request
	struct fc_request *requests;    // owned: a ring of FC_CONNECTION_REQUESTS_MAX, the oldest at `first`
	unsigned first, in_flight;
	uint8_t *received; // owned, FC_RESPONSE_BYTES_MAX
	uint32_t received_bytes;
};

// What a request says besides its batches; strings are borrowed.
struct fc_request_terms {
	const char *client_id, *topic;
	int32_t timeout_ms;
};

// Makes room for requests and responses. Control thread. 0 or -errno with fc_error().
int fc_connection_init(struct fc_connection *c);
// Closes the transport and frees the rest. Control thread.
void fc_connection_destroy(struct fc_connection *c);

// Begins with an authenticated transport, which it owns from here on.
void fc_connection_attach(struct fc_connection *c, struct fc_transport *transport, int16_t version);

// Closes the transport. The requests in flight stay for fc_connection_drop_oldest().
void fc_connection_detach(struct fc_connection *c);

// Whether a request can begin: connected, the last one is written whole, and not too many are in flight.
bool fc_connection_is_free(const struct fc_connection *c);

// Sends these batches, one per partition, sealed and stamped: what the socket does not take at once is sent by
// fc_connection_write(). 0, or -errno when the connection is gone (the request is in flight nevertheless).
int fc_connection_request(struct fc_connection *c, const struct fc_request_terms *terms,
	struct fc_batch *const *batches, uint32_t count, int64_t now_ns);

// Goes on with a request that is written in part. 0 (all written, or the socket is full) or -errno.
int fc_connection_write(struct fc_connection *c);
bool fc_connection_is_writing(const struct fc_connection *c);

// A response: the oldest request, and the bytes behind the correlation id. False when they make no sense.
typedef bool fc_connection_on_response(void *context, struct fc_request *request, const uint8_t *bytes, uint32_t size);

// Reads what has come and calls `on_response` for each whole response. How many, or -errno when the connection is gone
// (-EPIPE: closed by the broker, -EBADMSG: it does not speak Kafka's protocol).
int fc_connection_read(struct fc_connection *c, fc_connection_on_response *on_response, void *context);

// The oldest request, or NULL; and forgets it, when it will not be answered.
struct fc_request *fc_connection_oldest(const struct fc_connection *c);
void fc_connection_drop_oldest(struct fc_connection *c);

#endif
