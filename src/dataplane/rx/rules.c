#include "rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../error.h"
#include "../source/kernel_filter.h"

// How the rx worker runs its filter, if it has to.
static int choose_engine(struct fc_rx_rules *rules, struct fc_source *s, const char *wanted)
{
	struct fc_filter *f = &rules->filter;

	if (fc_filter_needs_kernel(f))
		return fc_error(EINVAL, "%s: the filter '%s' works on kernel interfaces only", s->name, wanted);
	if (!s->jit_filter || f->all)
		return 0;
	if (fc_filter_compile(f) != 0)
		snprintf(rules->note, sizeof rules->note, "the filter is interpreted by libpcap, not compiled: %s",
			fc_last_error());
	else
		snprintf(rules->note, sizeof rules->note, "the filter is compiled: %zu bytes of native code",
			f->native.sz);
	return 0;
}

static int fill(struct fc_rx_rules *rules, struct fc_source *s, const char *wanted, const struct fc_rx_rules *before)
{
	char *joined = fc_filter_join(wanted, s->exclude);
	int error = joined != NULL ? fc_filter_open(&rules->filter, joined)
				   : fc_error(ENOMEM, "%s: out of memory", s->name);

	if (error == 0 && s->ops->prepare != NULL)
		error = s->ops->prepare(
			s, joined, rules->snaplen, before != NULL ? before->kernel : NULL, &rules->kernel);
	free(joined);
	return error;
}

struct fc_rx_rules *fc_rx_rules_make(
	struct fc_source *s, const char *wanted, uint32_t snaplen, const struct fc_rx_rules *before)
{
	struct fc_rx_rules *rules = calloc(1, sizeof *rules);
	int error;

	if (rules == NULL) {
		fc_error(ENOMEM, "%s: out of memory", s->name);
		return NULL;
	}
	rules->snaplen = snaplen;
	error = fill(rules, s, wanted, before);
	if (error == 0)
		rules->source_filters = rules->kernel != NULL ? rules->kernel->judges : FC_FILTERS_NONE;
	if (error == 0 && rules->source_filters == FC_FILTERS_NONE)
		error = choose_engine(rules, s, wanted);
	if (error == 0)
		return rules;
	fc_rx_rules_free(rules);
	return NULL;
}

void fc_rx_rules_free(struct fc_rx_rules *rules)
{
	if (rules == NULL)
		return;
	fc_filter_close(&rules->filter);
	free(rules->kernel);
	free(rules);
}

void fc_rx_rules_offer(struct fc_rx_rules_desk *desk, struct fc_rx_rules *rules)
{
	desk->change = rules;
	atomic_store_explicit(&desk->offered, rules, memory_order_release);
}

bool fc_rx_rules_settled(struct fc_rx_rules_desk *desk)
{
	struct fc_rx_rules *unused;

	if (desk->change == NULL)
		return true;
	unused = atomic_exchange_explicit(&desk->returned, NULL, memory_order_acquire);
	if (unused == NULL)
		return false;
	if (unused != desk->change)
		desk->newest = desk->change;
	desk->change = NULL;
	fc_rx_rules_free(unused);
	return true;
}
