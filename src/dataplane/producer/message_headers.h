// The headers of a message, `--headers`: with them a reader can prove that nothing is missing. Integers in network byte
// order on the wire; the names are a contract (README, "What a message is").
#ifndef FC_MESSAGE_HEADERS_H
#define FC_MESSAGE_HEADERS_H

#include <stdint.h>

struct fc_message_headers {
	const char *interface;    // "if": the source's name; borrowed, not terminated
	uint16_t interface_bytes; // of it
	uint16_t queue;           // "q"
	uint32_t original_bytes;  // "len": length on the wire
	uint64_t sequence;        // "seq": counts every packet received on the queue, dropped ones too
	uint64_t time_ns;         // "ns": receive time, Unix epoch
};

#endif
