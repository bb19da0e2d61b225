#include "partitioner.h"

#include <rte_byteorder.h>

#include "../flow/flow_hash.h"
#include "murmur2.h"

int32_t fc_partition_choose(
	enum fc_partition_choice choice, const struct rte_mbuf *m, uint64_t key_us, uint16_t lane, int32_t partitions)
{
	uint64_t key = rte_cpu_to_be_64(key_us);
	uint32_t number = lane;

	// All that the hash looks at is in the first segment.
	if (choice == FC_PARTITION_FLOW)
		number = fc_flow_hash(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	else if (choice == FC_PARTITION_KEY)
		number = fc_murmur2((const uint8_t *)&key, sizeof key) &
			 INT32_MAX; // as Kafka's own clients: toPositive()
	return (int32_t)(number % (uint32_t)partitions);
}
