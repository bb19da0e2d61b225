// A connected byte stream to a broker: TCP, or TLS over it. Non-blocking; one thread at a time.
#ifndef FC_TRANSPORT_H
#define FC_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct fc_transport;
struct fc_tls;

// Paths and strings are borrowed for the call.
struct fc_tls_config {
	const char *ca_file;          // PEM, or NULL: the system's
	const char *ca_directory;     // hashed PEM files, or NULL
	const char *certificate_file; // PEM, or NULL: no client certificate
	const char *key_file;         // PEM, or NULL: in certificate_file
	const char *key_password;     // or NULL
	const char *ciphers;          // TLS 1.2, OpenSSL's list; NULL: its default
	bool verify;                  // the broker's certificate
	bool verify_name;             // that it is for the host we asked for
};

// What all TLS connections share. NULL with fc_error(). Control thread. Transports keep what they need of it.
struct fc_tls *fc_tls_create(const struct fc_tls_config *config);
void fc_tls_close(struct fc_tls *tls);

// Takes the connected socket `fd`, also when it fails (NULL with fc_error()), and makes it non-blocking. The second one
// shakes hands, for `timeout_ms` at most, and checks the certificate against `host`. Any thread; it blocks.
struct fc_transport *fc_transport_plain(int fd);
struct fc_transport *fc_transport_tls(struct fc_tls *tls, int fd, const char *host, int timeout_ms);

// How many bytes were taken, -EAGAIN, or -errno of a connection that is gone (-EPROTO: TLS), with fc_error(). What was
// not taken has to be offered again, from the first byte that was not, and at least as much of it: TLS may hold a
// record of it ready.
ssize_t fc_transport_send(struct fc_transport *t, const struct iovec *parts, int count);

// How many bytes came, 0 when the other side has closed, -EAGAIN, or -errno with fc_error(). Has to be called until it
// says -EAGAIN before the socket is waited for: TLS may hold bytes that poll(2) does not know of.
ssize_t fc_transport_recv(struct fc_transport *t, void *to, size_t bytes);

// To wait with poll(2) on the control side. -EAGAIN of TLS may wait for the other direction than one would think.
int fc_transport_fd(const struct fc_transport *t);

// Closes the socket. Harmless on NULL.
void fc_transport_close(struct fc_transport *t);

#endif
