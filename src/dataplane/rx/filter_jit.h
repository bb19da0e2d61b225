// Which programs of libpcap may be run as native code by DPDK's BPF compiler.
//
// DPDK 22.11 reads packet bytes with the address taken from the program as it is. An address that was computed from the
// packet's own bytes can be anything: near 2^32 it wraps around the compiler's check of bounds and reads outside the
// packet. Whoever sends packets must not be able to do that, so only programs are compiled whose addresses are bounded
// by the program itself. Those are nearly all: what is left out indexes by an expression, such as tcp[tcp[12]>>2].
#ifndef FC_FILTER_JIT_H
#define FC_FILTER_JIT_H

#include <pcap/pcap.h>

// NULL when the program may be compiled, or why not. Any thread.
const char *fc_filter_jit_refusal(const struct bpf_program *program);

#endif
