// The rules of rx workers: filter and snaplen, those that they start with and others while they run.
#include <errno.h>
#include <stdlib.h>
#include <syslog.h>

#include "error.h"
#include "pipeline.h"

struct fc_rx_rules *fc_lane_rules(const struct fc_lane *lane, const char *filter, uint32_t snaplen)
{
	return fc_rx_rules_make(lane->rx->source, filter, snaplen, lane->rx->desk.newest);
}

void fc_lane_say_how(struct fc_pipeline *p, const struct fc_rx_worker *w, const struct fc_rx_rules *rules)
{
	// It is the same for all queues of a source.
	if (w->queue == 0 && rules->note[0] != '\0')
		fc_event(&p->events, LOG_INFO, "%s: %s", w->source->name, rules->note);
}

// A worker that has ended never takes what is offered.
static bool takes_rules(const struct fc_rx_worker *w)
{
	return atomic_load(&w->thread.state) != FC_STATE_DONE;
}

size_t fc_pipeline_changing(struct fc_pipeline *p)
{
	size_t changing = 0;
	uint16_t lane;

	for (lane = 0; lane < p->lane_count; lane++)
		changing += !fc_rx_rules_settled(&p->lanes[lane].rx->desk) && takes_rules(p->lanes[lane].rx);
	return changing;
}

static int make_all_rules(struct fc_pipeline *p, const char *filter, uint32_t snaplen, struct fc_rx_rules **made)
{
	uint16_t lane;

	for (lane = 0; lane < p->lane_count; lane++) {
		if (!takes_rules(p->lanes[lane].rx))
			continue;
		made[lane] = fc_lane_rules(&p->lanes[lane], filter, snaplen);
		if (made[lane] == NULL)
			return -fc_last_errno();
	}
	return 0;
}

int fc_pipeline_change(struct fc_pipeline *p, const char *filter, uint32_t snaplen)
{
	struct fc_rx_rules **made;
	uint16_t lane;
	int error;

	if (snaplen < 1 || snaplen > FC_FRAME_BYTES_MAX)
		return fc_error(EINVAL, "snaplen is %u, allowed are 1 to %d", snaplen, FC_FRAME_BYTES_MAX);
	if (fc_pipeline_changing(p) > 0)
		return fc_error(EAGAIN, "the last change is not through");
	made = calloc(p->lane_count + 1u, sizeof *made);
	if (made == NULL)
		return fc_error(ENOMEM, "out of memory");
	// All of them, or none: nothing has been offered until each was made.
	error = make_all_rules(p, filter, snaplen, made);
	for (lane = 0; lane < p->lane_count; lane++) {
		if (error != 0) {
			fc_rx_rules_free(made[lane]);
		} else if (made[lane] != NULL) {
			fc_lane_say_how(p, p->lanes[lane].rx, made[lane]);
			fc_rx_rules_offer(&p->lanes[lane].rx->desk, made[lane]);
		}
	}
	free(made);
	return error;
}
