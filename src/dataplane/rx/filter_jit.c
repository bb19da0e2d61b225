#include "filter_jit.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
	// Far beyond any packet, and far from where 32 bits end.
	ADDRESS_MAX = 1 << 24,
	// DPDK's check of a program walks every path through it.
	PATHS_MAX = 100000,
};

static bool has_indexed_loads(const struct bpf_program *program)
{
	unsigned k;

	for (k = 0; k < program->bf_len; k++)
		if (BPF_CLASS(program->bf_insns[k].code) == BPF_LD && BPF_MODE(program->bf_insns[k].code) == BPF_IND)
			return true;
	return false;
}

// Of a program in which X is used as an index.
static bool address_is_bounded(const struct bpf_insn *i)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
		return BPF_MODE(i->code) != BPF_IND || i->k < ADDRESS_MAX;
	case BPF_LDX: // a header's length, at most 60, or a constant
		return BPF_MODE(i->code) == BPF_MSH || (BPF_MODE(i->code) == BPF_IMM && i->k < ADDRESS_MAX);
	default:
		return BPF_CLASS(i->code) != BPF_MISC || BPF_MISCOP(i->code) != BPF_TAX;
	}
}

static bool is_far(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_LD && BPF_MODE(i->code) == BPF_ABS && i->k >= ADDRESS_MAX;
}

// Jumps go forward only, so one pass from the end counts them.
static bool few_paths(const struct bpf_program *program)
{
	uint64_t *paths = calloc(program->bf_len + 1u, sizeof *paths);
	bool few = paths != NULL;
	unsigned at;

	for (at = program->bf_len; few && at-- > 0;) {
		const struct bpf_insn *i = &program->bf_insns[at];
		unsigned left = program->bf_len - at - 1;

		if (BPF_CLASS(i->code) == BPF_RET)
			paths[at] = 1;
		else if (BPF_CLASS(i->code) != BPF_JMP)
			paths[at] = paths[at + 1];
		else if (BPF_OP(i->code) == BPF_JA)
			paths[at] = i->k < left ? paths[at + 1 + i->k] : 0;
		else if (i->jt < left && i->jf < left)
			paths[at] = paths[at + 1 + i->jt] + paths[at + 1 + i->jf];
		few = paths[at] > 0 && paths[at] <= PATHS_MAX;
	}
	free(paths);
	return few;
}

const char *fc_filter_jit_refusal(const struct bpf_program *program)
{
	bool indexed = has_indexed_loads(program);
	unsigned k;

	for (k = 0; k < program->bf_len; k++) {
		if (is_far(&program->bf_insns[k]))
			return "it reads far beyond any packet";
		if (indexed && !address_is_bounded(&program->bf_insns[k]))
			return "it reads at a place that the packet itself names";
	}
	return few_paths(program) ? NULL : "it has too many paths to be checked";
}
