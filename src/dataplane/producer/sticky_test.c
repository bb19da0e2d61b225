#include "sticky.h"

#include <assert.h>

static struct fc_sticky three_partitions(void)
{
	return (struct fc_sticky){.partitions = 3, .messages_max = 4, .bytes_max = 1000, .age_ns_max = 50};
}

static void stays_until_the_batch_has_its_messages(void)
{
	struct fc_sticky s = three_partitions();
	int k;

	for (k = 0; k < 24; k++)
		assert(fc_sticky_partition(&s, 1, 100) == k / 4 % 3);
}

static void stays_until_the_batch_has_its_bytes(void)
{
	struct fc_sticky s = three_partitions();

	assert(fc_sticky_partition(&s, 500, 100) == 0);
	assert(fc_sticky_partition(&s, 500, 100) == 0); // exactly full
	assert(fc_sticky_partition(&s, 1, 100) == 1);
	assert(fc_sticky_partition(&s, 1000, 100) == 2); // would not have fitted
}

static void stays_until_the_batch_is_old(void)
{
	struct fc_sticky s = three_partitions();

	assert(fc_sticky_partition(&s, 1, 100) == 0);
	assert(fc_sticky_partition(&s, 1, 150) == 0);
	assert(fc_sticky_partition(&s, 1, 151) == 1);
	assert(fc_sticky_partition(&s, 1, 201) == 1); // its age counts from its own first packet
	assert(fc_sticky_partition(&s, 1, 202) == 2);
}

static void a_packet_larger_than_a_batch_has_one_of_its_own(void)
{
	struct fc_sticky s = three_partitions();

	assert(fc_sticky_partition(&s, 5000, 1) == 0);
	assert(fc_sticky_partition(&s, 5000, 1) == 1);
	assert(fc_sticky_partition(&s, 1, 1) == 2);
}

static void one_partition_is_all_there_is(void)
{
	struct fc_sticky s = three_partitions();
	int k;

	s.partitions = 1;
	for (k = 0; k < 20; k++)
		assert(fc_sticky_partition(&s, 400, (uint64_t)k * 40) == 0);
}

int main(void)
{
	stays_until_the_batch_has_its_messages();
	stays_until_the_batch_has_its_bytes();
	stays_until_the_batch_is_old();
	a_packet_larger_than_a_batch_has_one_of_its_own();
	one_partition_is_all_there_is();
	return 0;
}
