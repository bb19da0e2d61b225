// Two mistakes of DPDK's BPF library, in release 22.11 and, by its sources, in later ones:
// - rte_bpf_convert() takes the index of a load of a byte or a word (not of a half-word) from A instead of from X:
//   ip[20:4] after options, tcp flags;
// - the compiler for x86, for "jump if A & k" with a `k` of -128 to 127, writes an instruction whose operand is three
//   bytes too short, and what follows runs wild: tcp flags again, `ether multicast`.
#ifndef FC_FILTER_MEND_H
#define FC_FILTER_MEND_H

#include <rte_bpf.h>

// Returns what rte_bpf_convert() made, mended: loads with the right index, and `k` of such jumps in a register, which
// is compiled rightly; their number is in `*count`. The caller frees them. NULL: no memory. Any thread.
struct ebpf_insn *fc_filter_mend(const struct rte_bpf_prm *program, uint32_t *count);

#endif
