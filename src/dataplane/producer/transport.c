#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "tls.h"

struct fc_transport {
	int fd;                    // owned
	struct fc_tls_stream *tls; // owned; NULL: plain TCP
};

static struct fc_transport *wrap(int fd)
{
	struct fc_transport *t = calloc(1, sizeof *t);
	int flags = fcntl(fd, F_GETFL);

	if (t == NULL)
		fc_error(ENOMEM, "out of memory");
	else if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		fc_error(errno, "cannot make the connection non-blocking: %s", strerror(errno));
	else {
		t->fd = fd;
		return t;
	}
	free(t);
	close(fd);
	return NULL;
}

struct fc_transport *fc_transport_plain(int fd)
{
	return wrap(fd);
}

struct fc_transport *fc_transport_tls(struct fc_tls *tls, int fd, const char *host, int timeout_ms)
{
	struct fc_transport *t = wrap(fd);

	if (t == NULL)
		return NULL;
	t->tls = fc_tls_connect(tls, fd, host, timeout_ms);
	if (t->tls != NULL)
		return t;
	fc_transport_close(t);
	return NULL;
}

// What a system call on the socket returned, as the header promises it.
static ssize_t result(ssize_t n)
{
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return -EAGAIN;
	return fc_error(errno, "%s", strerror(errno));
}

ssize_t fc_transport_send(struct fc_transport *t, const struct iovec *parts, int count)
{
	// sendmsg() and not writev(), for MSG_NOSIGNAL: a broker that is gone must not end the process.
	const struct msghdr message = {
		.msg_iov = (struct iovec *)(uintptr_t)parts,
		.msg_iovlen = (size_t)(count < IOV_MAX ? count : IOV_MAX),
	};

	if (t->tls != NULL)
		return fc_tls_send(t->tls, parts, count);
	return result(sendmsg(t->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

ssize_t fc_transport_recv(struct fc_transport *t, void *to, size_t bytes)
{
	if (t->tls != NULL)
		return fc_tls_recv(t->tls, to, bytes);
	return result(recv(t->fd, to, bytes, MSG_DONTWAIT));
}

int fc_transport_fd(const struct fc_transport *t)
{
	return t->fd;
}

void fc_transport_close(struct fc_transport *t)
{
	if (t == NULL)
		return;
	fc_tls_disconnect(t->tls);
	close(t->fd);
	free(t);
}
