#include "partitioner.h"

#include <rte_byteorder.h>

#include "../flow/flow_hash.h"
#include "murmur2.h"

int32_t fc_partition_choose(
	enum fc_partition_choice choice, const struct rte_mbuf *m, uint64_t key_us, uint16_t lane, int32_t partitions)
{
	uint64_t key = rte_cpu_to_be_64(key_us);

	switch (choice) {
	case FC_PARTITION_FLOW: // all that the hash looks at is in the first segment
		return (int32_t)(fc_flow_hash(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len) %
				 (uint32_t)partitions);
	case FC_PARTITION_KEY:
		return fc_murmur2_partition((const uint8_t *)&key, sizeof key, partitions);
	case FC_PARTITION_QUEUE:
	case FC_PARTITION_STICKY:
		break;
	}
	return lane % partitions;
}
