// What is known of the topic, shared by all tx workers: who leads each partition, and how large a batch may be.
#ifndef FC_TOPIC_H
#define FC_TOPIC_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	FC_PARTITIONS_MAX = 65536,
	FC_NODE_NONE = -1, // a partition without a leader
};

// Writer: control thread; readers: tx workers, which look at the rest when `generation` has changed.
struct fc_topic {
	_Atomic int32_t *leaders; // owned, FC_PARTITIONS_MAX node ids, zero pages until they are used
	_Atomic int32_t partitions;
	_Atomic uint32_t batch_bytes_max;
	_Atomic uint32_t generation; // counts publications; 0: nothing is known yet
};

// Control thread. 0 or -errno with fc_error().
int fc_topic_open(struct fc_topic *topic);
void fc_topic_close(struct fc_topic *topic);
int fc_topic_publish(struct fc_topic *topic, const int32_t *leaders, int32_t partitions, uint32_t batch_bytes_max);

#endif
