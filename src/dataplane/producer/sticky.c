#include "sticky.h"

int32_t fc_sticky_partition(struct fc_sticky *s, uint32_t bytes, uint64_t now_ns)
{
	if (s->messages == s->messages_max || s->bytes + bytes > s->bytes_max || now_ns - s->since_ns > s->age_ns_max) {
		if (s->messages > 0)
			s->partition = (s->partition + 1) % s->partitions;
		s->messages = 0;
		s->bytes = 0;
		s->since_ns = now_ns;
	}
	s->messages++;
	s->bytes += bytes;
	return s->partition;
}
