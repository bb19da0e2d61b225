#include "kernel_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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

// Not through pcap_setfilter(): where the kernel refuses a program, libpcap would filter silently in user space, after
// the kernel has counted the frames.
static bool attach(pcap_t *pcap, const struct bpf_program *filter, const struct bpf_program *tagged, uint32_t snaplen)
{
	struct sock_filter *insns = malloc((PROLOGUE + tagged->bf_len + filter->bf_len) * sizeof *insns);
	struct sock_fprog program = {.filter = insns};
	unsigned count = 0;
	int status = -1;

	if (insns == NULL)
		return false;
	if (tagged->bf_len > 0) {
		insns[0] = (struct sock_filter)BPF_STMT(
			BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
		insns[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
		insns[2] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, tagged->bf_len);
		count = PROLOGUE + append(insns + PROLOGUE, tagged, FC_FRAME_BYTES_MAX);
	}
	count += append(insns + count, filter, snaplen);
	errno = E2BIG;
	if (count <= BPF_MAXINSNS) {
		program.len = (unsigned short)count;
		status = setsockopt(pcap_fileno(pcap), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
	}
	free(insns);
	return status == 0;
}

bool fc_kernel_filter_attach(pcap_t *pcap, const char *filter, const char *tagged, uint32_t snaplen)
{
	struct bpf_program all = {0}, of_tagged = {0};
	bool attached = false;

	errno = EINVAL;
	if (pcap_compile(pcap, &all, filter, 1, PCAP_NETMASK_UNKNOWN) != 0)
		return false;
	if (tagged == NULL || pcap_compile(pcap, &of_tagged, tagged, 1, PCAP_NETMASK_UNKNOWN) == 0)
		attached = attach(pcap, &all, &of_tagged, snaplen);
	pcap_freecode(&of_tagged);
	pcap_freecode(&all);
	return attached;
}
