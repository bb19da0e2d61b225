// TLS with OpenSSL 3. Bytes pass through a BIO of our own: OpenSSL's socket BIO uses write(2), and a broker that is
// gone would raise SIGPIPE.
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../clock.h"
#include "../error.h"

// The most that a record holds (RFC 8446, 5.1). Parts smaller than this are gathered, so that a request's header of
// some bytes does not become a record, a packet and a system call of its own.
#define RECORD_BYTES_MAX 16384

struct fc_tls {
	SSL_CTX *context;
	bool verify;
	bool verify_name;
};

struct fc_tls_stream {
	SSL *ssl;
	int fd;      // borrowed
	int error;   // errno of the last failure of the socket
	bool ended;  // the other side has closed its half
	bool failed; // after a fatal error nothing more may be said, not even goodbye
	uint8_t gather[RECORD_BYTES_MAX];
};

// ---- socket ---------------------------------------------------------------------------------------------------------

static int bio_result(BIO *bio, struct fc_tls_stream *s, ssize_t n, void (*want)(BIO *))
{
	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		want(bio);
	else if (n < 0)
		s->error = errno;
	return (int)n;
}

static void want_write(BIO *bio)
{
	BIO_set_retry_write(bio);
}

static void want_read(BIO *bio)
{
	BIO_set_retry_read(bio);
}

static int bio_write(BIO *bio, const char *from, int bytes)
{
	struct fc_tls_stream *s = BIO_get_data(bio);

	return bio_result(bio, s, send(s->fd, from, (size_t)bytes, MSG_NOSIGNAL | MSG_DONTWAIT), want_write);
}

static int bio_read(BIO *bio, char *to, int bytes)
{
	struct fc_tls_stream *s = BIO_get_data(bio);
	ssize_t n = recv(s->fd, to, (size_t)bytes, MSG_DONTWAIT);

	s->ended = s->ended || (n == 0 && bytes > 0);
	return bio_result(bio, s, n, want_read);
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	const struct fc_tls_stream *s = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1; // nothing is kept back
	case BIO_CTRL_EOF:
		return s->ended;
	default:
		return 0;
	}
}

static BIO_METHOD *method; // made once, for the life of the process: streams may outlive the fc_tls they came from

static void make_method(void)
{
	BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "fastcapa socket");

	if (made == NULL)
		return;
	BIO_meth_set_write(made, bio_write);
	BIO_meth_set_read(made, bio_read);
	BIO_meth_set_ctrl(made, bio_control);
	method = made;
}

// ---- settings -------------------------------------------------------------------------------------------------------

// Why OpenSSL refused: its oldest error is the cause, later ones say where that was noticed. Empties its queue of them.
static const char *reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *text = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	ERR_clear_error();
	return text != NULL ? text : "no reason given";
}

struct password {
	const char *text; // borrowed; NULL: there is none
	bool missed;
};

// OpenSSL's own callback would ask at the terminal.
static int give_password(char *to, int size, int encrypting, void *user)
{
	struct password *password = user;
	size_t length = password != NULL && password->text != NULL ? strlen(password->text) : 0;

	(void)encrypting;
	if (length == 0 || length > (size_t)size) {
		if (password != NULL)
			password->missed = length == 0;
		return -1;
	}
	memcpy(to, password->text, length);
	return (int)length;
}

static int load_authorities(SSL_CTX *context, const struct fc_tls_config *c)
{
	if (!c->verify)
		return 0;
	if (c->ca_file != NULL && SSL_CTX_load_verify_file(context, c->ca_file) != 1)
		return fc_error(EINVAL, "cannot use %s as certificate authorities: %s", c->ca_file, reason());
	if (c->ca_directory != NULL && SSL_CTX_load_verify_dir(context, c->ca_directory) != 1)
		return fc_error(EINVAL, "cannot use %s as certificate authorities: %s", c->ca_directory, reason());
	if (c->ca_file == NULL && c->ca_directory == NULL && SSL_CTX_set_default_verify_paths(context) != 1)
		return fc_error(EINVAL, "cannot use the system's certificate authorities: %s", reason());
	return 0;
}

static int load_certificate(SSL_CTX *context, const struct fc_tls_config *c)
{
	const char *key_file = c->key_file != NULL ? c->key_file : c->certificate_file;
	struct password password = {.text = c->key_password};
	bool loaded;

	if (c->certificate_file == NULL)
		return c->key_file == NULL ? 0
					   : fc_error(EINVAL, "there is a key, %s, without a certificate", key_file);
	if (SSL_CTX_use_certificate_chain_file(context, c->certificate_file) != 1)
		return fc_error(EINVAL, "cannot use the client certificate %s: %s", c->certificate_file, reason());
	SSL_CTX_set_default_passwd_cb_userdata(context, &password);
	loaded = SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) == 1;
	SSL_CTX_set_default_passwd_cb_userdata(context, NULL); // the caller's again
	if (!loaded)
		return fc_error(EINVAL, "cannot use the key %s: %s", key_file,
			password.missed ? "it is encrypted, and no password is given" : reason());
	if (SSL_CTX_check_private_key(context) != 1)
		return fc_error(EINVAL, "the key %s does not belong to the client certificate %s: %s", key_file,
			c->certificate_file, reason());
	return 0;
}

static int configure(SSL_CTX *context, const struct fc_tls_config *c)
{
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	// A broker that dies says no goodbye; lengths in the protocol tell whether a response was cut.
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(context, 1); // one recv(2) for a record, not two
	SSL_CTX_set_verify(context, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_default_passwd_cb(context, give_password);
	if (c->ciphers != NULL && SSL_CTX_set_cipher_list(context, c->ciphers) != 1)
		return fc_error(EINVAL, "OpenSSL knows no cipher of '%s'", c->ciphers);
	return load_authorities(context, c);
}

struct fc_tls *fc_tls_create(const struct fc_tls_config *config)
{
	static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
	struct fc_tls *tls = calloc(1, sizeof *tls);

	ERR_clear_error();
	if (tls != NULL && CRYPTO_THREAD_run_once(&once, make_method) == 1 && method != NULL)
		tls->context = SSL_CTX_new(TLS_client_method());
	if (tls == NULL || tls->context == NULL) {
		fc_error(ENOMEM, "OpenSSL does not start: %s", reason());
		free(tls);
		return NULL;
	}
	tls->verify = config->verify;
	tls->verify_name = config->verify_name;
	if (configure(tls->context, config) != 0 || load_certificate(tls->context, config) != 0) {
		fc_tls_close(tls);
		return NULL;
	}
	return tls;
}

void fc_tls_close(struct fc_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context); // streams hold references
	free(tls);
}

// ---- handshake ------------------------------------------------------------------------------------------------------

static int expect_host(SSL *ssl, const struct fc_tls *tls, const char *host)
{
	X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
	unsigned char address[sizeof(struct in6_addr)];
	bool literal = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

	// Server Name Indication is for names only (RFC 6066, section 3).
	if (!literal && SSL_set_tlsext_host_name(ssl, host) != 1)
		return -1;
	if (!tls->verify || !tls->verify_name)
		return 0;
	X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (literal)
		return X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1 ? 0 : -1;
	return X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1 ? 0 : -1;
}

static struct fc_tls_stream *make_stream(struct fc_tls *tls, int fd, const char *host)
{
	struct fc_tls_stream *s = calloc(1, sizeof *s);
	BIO *bio = BIO_new(method);

	if (s != NULL)
		s->ssl = SSL_new(tls->context);
	if (bio == NULL || s == NULL || s->ssl == NULL || expect_host(s->ssl, tls, host) != 0) {
		fc_error(EINVAL, "cannot prepare TLS with %s: %s", host, reason());
		BIO_free(bio);
		if (s != NULL)
			SSL_free(s->ssl);
		free(s);
		return NULL;
	}
	s->fd = fd;
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio); // takes it
	return s;
}

// Says why the handshake failed, for somebody who has to mend it.
static int handshake_error(struct fc_tls_stream *s, int status, const char *host)
{
	int code = ERR_GET_REASON(ERR_peek_last_error());
	long verdict = SSL_get_verify_result(s->ssl);

	if (status == SSL_ERROR_SYSCALL && s->error != 0)
		return fc_error(s->error, "TLS with %s: %s", host, strerror(s->error));
	if (s->ended && code != SSL_R_CERTIFICATE_VERIFY_FAILED)
		return fc_error(ECONNRESET, "TLS with %s: it closed the connection; is its port one for TLS?", host);
	if (code == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		ERR_clear_error();
		if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
			return fc_error(EACCES, "TLS with %s: its certificate is for another host (%s)", host,
				X509_verify_cert_error_string(verdict));
		return fc_error(EACCES, "TLS with %s: its certificate is not accepted: %s", host,
			X509_verify_cert_error_string(verdict));
	}
	if (code == SSL_R_WRONG_VERSION_NUMBER || code == SSL_R_PACKET_LENGTH_TOO_LONG)
		return fc_error(EPROTO, "TLS with %s: it does not speak TLS on this port (%s)", host, reason());
	return fc_error(EPROTO, "TLS with %s: %s", host, reason());
}

static int shake_hands(struct fc_tls_stream *s, const char *host, int timeout_ms)
{
	int64_t deadline_ns = fc_monotonic_ns() + timeout_ms * FC_NS_PER_MS;

	for (;;) {
		struct pollfd wait = {.fd = s->fd};
		int64_t left_ms = (deadline_ns - fc_monotonic_ns()) / FC_NS_PER_MS;
		int done, status;

		ERR_clear_error();
		done = SSL_connect(s->ssl);
		if (done == 1)
			return 0;
		status = SSL_get_error(s->ssl, done);
		if (status != SSL_ERROR_WANT_READ && status != SSL_ERROR_WANT_WRITE)
			return handshake_error(s, status, host);
		if (left_ms <= 0)
			return fc_error(ETIMEDOUT, "TLS with %s: no answer within %d ms", host, timeout_ms);
		wait.events = status == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		poll(&wait, 1, (int)left_ms); // an error shows in the next round
	}
}

struct fc_tls_stream *fc_tls_connect(struct fc_tls *tls, int fd, const char *host, int timeout_ms)
{
	struct fc_tls_stream *s;

	ERR_clear_error();
	s = make_stream(tls, fd, host);
	if (s == NULL)
		return NULL;
	if (shake_hands(s, host, timeout_ms) == 0)
		return s;
	s->failed = true;
	fc_tls_disconnect(s);
	return NULL;
}

// ---- bytes ----------------------------------------------------------------------------------------------------------

// What a failed SSL_read() or SSL_write() means: 0 when the other side has closed, -EAGAIN or -errno.
static ssize_t failure(struct fc_tls_stream *s, int status)
{
	int code = ERR_GET_REASON(ERR_peek_last_error());

	switch (SSL_get_error(s->ssl, status)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		s->failed = true;
		return fc_error(
			s->error != 0 ? s->error : ECONNRESET, "%s", strerror(s->error != 0 ? s->error : ECONNRESET));
	default:
		s->failed = true;
		// In TLS 1.3 the broker judges our certificate after the handshake.
		if (code == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED)
			return fc_error(EPROTO, "TLS: the broker wants a client certificate");
		return fc_error(EPROTO, "TLS: %s", reason());
	}
}

// The next piece to make a record of, beginning at byte `offset` of part `k`: all from one part if it fills a record,
// else gathered from several.
static size_t next_piece(
	struct fc_tls_stream *s, const struct iovec *parts, int count, int k, size_t offset, const uint8_t **piece)
{
	size_t bytes = 0;

	*piece = (const uint8_t *)parts[k].iov_base + offset;
	if (k == count - 1 || parts[k].iov_len - offset >= RECORD_BYTES_MAX)
		return parts[k].iov_len - offset < RECORD_BYTES_MAX ? parts[k].iov_len - offset : RECORD_BYTES_MAX;
	for (; k < count && bytes < RECORD_BYTES_MAX; k++, offset = 0) {
		size_t part = parts[k].iov_len - offset;

		if (part > RECORD_BYTES_MAX - bytes)
			part = RECORD_BYTES_MAX - bytes;
		if (part > 0)
			memcpy(s->gather + bytes, (const uint8_t *)parts[k].iov_base + offset, part);
		bytes += part;
	}
	*piece = s->gather;
	return bytes;
}

// With SSL_MODE_ENABLE_PARTIAL_WRITE a record is either taken whole, or none of it: then OpenSSL holds it encrypted and
// wants the same bytes again, which the caller has to offer anyway.
ssize_t fc_tls_send(struct fc_tls_stream *s, const struct iovec *parts, int count)
{
	ssize_t sent = 0;
	size_t offset = 0;
	int k = 0;

	for (;;) {
		const uint8_t *piece;
		size_t bytes, taken;
		int status;

		while (k < count && offset >= parts[k].iov_len) {
			offset -= parts[k].iov_len;
			k++;
		}
		if (k == count)
			return sent;
		bytes = next_piece(s, parts, count, k, offset, &piece);
		ERR_clear_error();
		status = SSL_write_ex(s->ssl, piece, bytes, &taken);
		if (status != 1) {
			ssize_t problem = failure(s, status);

			// A failure after some bytes shows again in the next call.
			if (sent > 0)
				return sent;
			return problem == 0 ? fc_error(EPIPE, "%s", strerror(EPIPE)) : problem;
		}
		sent += (ssize_t)taken;
		offset += taken;
	}
}

ssize_t fc_tls_recv(struct fc_tls_stream *s, void *to, size_t bytes)
{
	size_t got;
	int status;

	ERR_clear_error();
	status = SSL_read_ex(s->ssl, to, bytes, &got);
	return status == 1 ? (ssize_t)got : failure(s, status);
}

void fc_tls_disconnect(struct fc_tls_stream *s)
{
	if (s == NULL)
		return;
	if (!s->failed)
		SSL_shutdown(s->ssl);
	ERR_clear_error();
	SSL_free(s->ssl);
	free(s);
}
