// Kafka's hash of keys: murmur2 with the seed of its default partitioner (Utils.murmur2 in Kafka's clients).
#ifndef FC_MURMUR2_H
#define FC_MURMUR2_H

#include <stddef.h>
#include <stdint.h>

// Any thread.
uint32_t fc_murmur2(const uint8_t *data, size_t bytes);

#endif
