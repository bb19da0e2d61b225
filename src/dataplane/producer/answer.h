// Direct producer: what brokers answer, and what becomes of the batches it is about.
#ifndef FC_ANSWER_H
#define FC_ANSWER_H

#include "direct_state.h"

// Serves the responses that are there. 0 or more, or -errno as of fc_connection_read().
int fc_answer_read(struct fc_direct *d, struct fc_broker *broker);
// The end of a batch that no partition has any more: its packets are counted, its memory is free.
void fc_answer_settle(struct fc_direct *d, struct fc_batch *batch, uint64_t *counter);

#endif
