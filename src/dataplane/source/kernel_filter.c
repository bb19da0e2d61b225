#include "kernel_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "../packet.h"

enum { PROLOGUE = 3 };

// Jumps are relative: a program may stand anywhere in another one.
static unsigned append(struct sock_filter *at, const struct bpf_program *program, uint32_t snaplen)
{
	unsigned k;

	// struct bpf_insn and struct sock_filter are the same 8 bytes by design.
	memcpy(at, program->bf_insns, program->bf_len * sizeof *at);
	for (k = 0; k < program->bf_len; k++)
		if (at[k].code == (BPF_RET | BPF_K) && at[k].k != 0)
			at[k].k = snaplen;
	return program->bf_len;
}

static struct fc_kernel_filter *join(
	const struct bpf_program *filter, const struct bpf_program *tagged, uint32_t snaplen)
{
	unsigned most = PROLOGUE + tagged->bf_len + filter->bf_len, count = 0;
	struct fc_kernel_filter *f = most <= BPF_MAXINSNS ? malloc(sizeof *f + most * sizeof *f->insns) : NULL;

	if (f == NULL) {
		fc_error(E2BIG, "it has more than %d instructions", BPF_MAXINSNS);
		return NULL;
	}
	if (tagged->bf_len > 0) {
		f->insns[0] = (struct sock_filter)BPF_STMT(
			BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
		f->insns[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
		f->insns[2] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, tagged->bf_len);
		count = PROLOGUE + append(f->insns + PROLOGUE, tagged, FC_FRAME_BYTES_MAX);
	}
	f->count = (unsigned short)(count + append(f->insns + count, filter, snaplen));
	return f;
}

struct fc_kernel_filter *fc_kernel_filter_make(
	pcap_t *pcap, const char *filter, const char *tagged, uint32_t snaplen, int judges)
{
	struct bpf_program all = {0}, of_tagged = {0};
	struct fc_kernel_filter *made = NULL;

	if (pcap_compile(pcap, &all, filter, 1, PCAP_NETMASK_UNKNOWN) != 0 ||
		(tagged != NULL && pcap_compile(pcap, &of_tagged, tagged, 1, PCAP_NETMASK_UNKNOWN) != 0))
		fc_error(EINVAL, "%s", pcap_geterr(pcap));
	else
		made = join(&all, &of_tagged, snaplen);
	if (made != NULL)
		made->judges = judges;
	pcap_freecode(&of_tagged);
	pcap_freecode(&all);
	return made;
}

bool fc_kernel_filter_fits(const struct fc_kernel_filter *f, const struct fc_kernel_filter *before)
{
	// Any socket is as good: its filter is checked and charged alike.
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool fits = fd >= 0 && (before == NULL || fc_kernel_filter_attach(before, fd) == 0) &&
		    fc_kernel_filter_attach(f, fd) == 0;

	if (!fits)
		fc_error(errno, "the kernel does not take it: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return fits;
}

// Not through pcap_setfilter(): where the kernel refuses a program, libpcap would filter silently in user space, after
// the kernel has counted the frames; and it would filter again what waits in the ring.
int fc_kernel_filter_attach(const struct fc_kernel_filter *f, int fd)
{
	// The kernel copies what it is given.
	struct sock_fprog program = {.len = f->count, .filter = (struct sock_filter *)(uintptr_t)f->insns};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}
