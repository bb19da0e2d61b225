// TLS over a connected socket: a transport's inside. Ownership, threads and results as in transport.h.
#ifndef FC_TLS_H
#define FC_TLS_H

#include "transport.h"

struct fc_tls_stream;

// Shakes hands on the non-blocking socket `fd`, which stays the caller's. NULL with fc_error().
struct fc_tls_stream *fc_tls_connect(struct fc_tls *tls, int fd, const char *host, int timeout_ms);

ssize_t fc_tls_send(struct fc_tls_stream *s, const struct iovec *parts, int count);
ssize_t fc_tls_recv(struct fc_tls_stream *s, void *to, size_t bytes);

// Says goodbye, if the socket takes it at once, and frees the stream.
void fc_tls_disconnect(struct fc_tls_stream *s);

#endif
