#include "filter_jit.h"

#include <assert.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *refusal(struct bpf_insn *insns, unsigned count)
{
	return fc_filter_jit_refusal(&(struct bpf_program){.bf_len = count, .bf_insns = insns});
}

// udp port 53 over IPv4, as libpcap compiles it: the index is the IP header's length.
static void test_common(void)
{
	struct bpf_insn insns[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, 6),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 4),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 53, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 262144),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	assert(refusal(insns, COUNT(insns)) == NULL);
	insns[5].k = 0xfffffff0; // wraps with the index
	assert(refusal(insns, COUNT(insns)) != NULL);
}

// The index comes out of the packet.
static void test_index_of_the_packet(void)
{
	struct bpf_insn through_a[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 30),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct bpf_insn through_memory[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 30),
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_LDX | BPF_W | BPF_MEM, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};

	assert(refusal(through_a, COUNT(through_a)) != NULL);
	assert(refusal(through_memory, COUNT(through_memory)) != NULL);
	// As a number alone X may be what it likes.
	through_a[2] = (struct bpf_insn)BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0);
	assert(refusal(through_a, COUNT(through_a)) == NULL);
	through_a[0].k = 0xfffff02c; // of the kernel, or far away
	assert(refusal(through_a, COUNT(through_a)) != NULL);
}

// Both ways of each test meet again: 2^n paths. Seventeen of them are too many.
static void test_paths(void)
{
	struct bpf_insn insns[17 * 3 + 1];
	unsigned n, k;

	for (n = 16; n <= 17; n++) {
		for (k = 0; k < n; k++) {
			insns[3 * k] = (struct bpf_insn)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, k);
			insns[3 * k + 1] = (struct bpf_insn)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1);
			insns[3 * k + 2] = (struct bpf_insn)BPF_STMT(BPF_LD | BPF_IMM, 0);
		}
		insns[3 * n] = (struct bpf_insn)BPF_STMT(BPF_RET | BPF_K, 1);
		assert((refusal(insns, 3 * n + 1) == NULL) == (n == 16));
	}
}

// Not a program that libpcap makes: no end, or a jump over it.
static void test_broken(void)
{
	struct bpf_insn no_end[] = {BPF_STMT(BPF_LD | BPF_IMM, 0)};
	struct bpf_insn over_the_end[] = {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 9, 0), BPF_STMT(BPF_RET | BPF_K, 0)};

	assert(refusal(no_end, 1) != NULL);
	assert(refusal(over_the_end, 2) != NULL);
	assert(refusal(NULL, 0) == NULL); // the empty filter is never run
}

int main(void)
{
	test_common();
	test_index_of_the_packet();
	test_paths();
	test_broken();
	return 0;
}
