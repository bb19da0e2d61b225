#include "filter_mend.h"

#include <stdbool.h>
#include <stdlib.h>

// Of the programs that rte_bpf_convert() makes: X is in one register, and one is never used.
enum { X_REGISTER = EBPF_REG_7, FREE_REGISTER = EBPF_REG_9 };

static bool is_jump(const struct ebpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_JMP && BPF_OP(i->code) != EBPF_CALL && BPF_OP(i->code) != EBPF_EXIT;
}

static bool is_mistaken(const struct ebpf_insn *i)
{
	return i->code == (BPF_JMP | BPF_JSET | BPF_K) && i->imm == (int8_t)i->imm;
}

// Where each instruction goes to, and one more entry for the end: each mistaken jump before it adds one.
static uint32_t *places(const struct rte_bpf_prm *program)
{
	uint32_t *place = malloc((program->nb_ins + 1) * sizeof *place), at, more = 0;

	for (at = 0; place != NULL && at <= program->nb_ins; at++) {
		place[at] = at + more;
		more += at < program->nb_ins && is_mistaken(&program->ins[at]);
	}
	return place;
}

struct ebpf_insn *fc_filter_mend(const struct rte_bpf_prm *program, uint32_t *count)
{
	uint32_t *place = places(program), at;
	struct ebpf_insn *mended;

	if (place == NULL)
		return NULL;
	*count = place[program->nb_ins];
	mended = malloc(*count * sizeof *mended);
	for (at = 0; mended != NULL && at < program->nb_ins; at++) {
		struct ebpf_insn i = program->ins[at];
		uint32_t to = place[at + 1] - 1; // behind the instruction that may have been put before it

		if (is_mistaken(&i)) {
			mended[place[at]] = (struct ebpf_insn){
				.code = BPF_ALU | EBPF_MOV | BPF_K, .dst_reg = FREE_REGISTER, .imm = i.imm};
			i.code = BPF_JMP | BPF_JSET | BPF_X;
			i.src_reg = FREE_REGISTER;
			i.imm = 0;
		}
		if (BPF_CLASS(i.code) == BPF_LD && BPF_MODE(i.code) == BPF_IND)
			i.src_reg = X_REGISTER;
		if (is_jump(&i))
			i.off = (int16_t)(place[at + 1 + (uint32_t)i.off] - to - 1);
		mended[to] = i;
	}
	free(place);
	return mended;
}
