#include "filter.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dataplane.h"
#include "../error.h"
#include "filter_jit.h"
#include "filter_mend.h"

int fc_filter_open(struct fc_filter *f, const char *expression)
{
	pcap_t *ethernet;
	int error = 0;

	*f = (struct fc_filter){.all = *expression == '\0'};
	if (f->all)
		return 0;
	if (strlen(expression) >= FC_FILTER_BYTES_MAX)
		return fc_error(E2BIG, "filter longer than %d characters", FC_FILTER_BYTES_MAX - 1);
	ethernet = pcap_open_dead(DLT_EN10MB, FC_FRAME_BYTES_MAX);
	f->scratch = malloc(FC_FRAME_BYTES_MAX);
	if (ethernet == NULL || f->scratch == NULL)
		error = fc_error(ENOMEM, "out of memory");
	else if (pcap_compile(ethernet, &f->program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0)
		error = fc_error(EINVAL, "%s", pcap_geterr(ethernet));
	if (ethernet != NULL)
		pcap_close(ethernet);
	if (error != 0)
		fc_filter_close(f);
	return error;
}

int fc_filter_compile(struct fc_filter *f)
{
	const char *refusal = fc_filter_jit_refusal(&f->program);
	struct rte_bpf_prm *converted;
	struct ebpf_insn *mended;
	uint32_t count;

	if (refusal != NULL)
		return fc_error(ENOTSUP, "%s", refusal);
	converted = rte_bpf_convert(&f->program);
	if (converted == NULL)
		return fc_error(ENOTSUP, "DPDK does not know all of its instructions");
	mended = fc_filter_mend(converted, &count);
	if (mended != NULL) {
		converted->ins = mended;
		converted->nb_ins = count;
		f->compiled = rte_bpf_load(converted);
	}
	// Loading has copied both.
	free(mended);
	rte_free(converted);
	if (mended == NULL)
		return fc_error(ENOMEM, "out of memory");
	if (f->compiled == NULL)
		return fc_error(rte_errno, "DPDK refuses it: %s", rte_strerror(rte_errno));
	if (rte_bpf_get_jit(f->compiled, &f->native) != 0 || f->native.func == NULL) {
		rte_bpf_destroy(f->compiled);
		f->compiled = NULL;
		f->native = (struct rte_bpf_jit){0};
		return fc_error(ENOTSUP, "DPDK has no compiler for this processor, or may not make code executable");
	}
	return 0;
}

void fc_filter_close(struct fc_filter *f)
{
	rte_bpf_destroy(f->compiled); // NULL is fine
	pcap_freecode(&f->program);
	free(f->scratch);
	*f = (struct fc_filter){0};
}

bool fc_filter_needs_kernel(const struct fc_filter *f)
{
	unsigned k;

	for (k = 0; k < f->program.bf_len; k++) {
		const struct bpf_insn *i = &f->program.bf_insns[k];

		// Offsets from SKF_AD_OFF on, which is negative, are fields of the kernel's packet (linux/filter.h).
		if (BPF_CLASS(i->code) == BPF_LD && BPF_MODE(i->code) == BPF_ABS && (int32_t)i->k < 0)
			return true;
	}
	return false;
}

char *fc_filter_join(const char *wanted, const char *excluded)
{
	char *joined = NULL;
	int length;

	if (excluded == NULL || *excluded == '\0')
		return strdup(wanted);
	if (*wanted == '\0')
		length = asprintf(&joined, "not (%s)", excluded);
	else
		length = asprintf(&joined, "(%s) and not (%s)", wanted, excluded);
	return length < 0 ? NULL : joined;
}

int fc_filter_check(const char *expression, bool in_kernel)
{
	struct fc_filter f;
	int error = fc_filter_open(&f, expression);

	if (error == 0 && !in_kernel && fc_filter_needs_kernel(&f))
		error = fc_error(EINVAL, "works on kernel interfaces only");
	fc_filter_close(&f);
	return error;
}
