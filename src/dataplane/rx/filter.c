#include "filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../dataplane.h"
#include "../error.h"

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

void fc_filter_close(struct fc_filter *f)
{
	pcap_freecode(&f->program);
	free(f->scratch);
	*f = (struct fc_filter){0};
}

int fc_filter_check(const char *expression)
{
	struct fc_filter f;
	int error = fc_filter_open(&f, expression);

	if (error == 0)
		fc_filter_close(&f);
	return error;
}
