// Any bytes as a frame: the hash reads nothing beyond them, and both directions have the same one.
#include <stdint.h>

#include "flow/flow_hash.h"

#include "expect.h"

enum { MAC_BYTES = 6, ETHERTYPE_AT = 12, IP_AT = 14 };

static void swap(uint8_t *one, uint8_t *other, size_t bytes)
{
	for (size_t k = 0; k < bytes; k++) {
		uint8_t byte = one[k];

		one[k] = other[k];
		other[k] = byte;
	}
}

// The other direction of what is neither tagged nor IP, or of IP whose ports are where they are without options.
static bool turn_around(uint8_t *frame, size_t size)
{
	unsigned ethertype;
	size_t ports_at;

	if (size < IP_AT)
		return false;
	ethertype = (unsigned)frame[ETHERTYPE_AT] << 8 | frame[ETHERTYPE_AT + 1];
	if (ethertype == 0x8100 || ethertype == 0x88a8)
		return false;
	swap(frame, frame + MAC_BYTES, MAC_BYTES);
	if (ethertype == 0x0800 && size >= IP_AT + 20 && frame[IP_AT] == 0x45) {
		swap(frame + IP_AT + 12, frame + IP_AT + 16, 4);
		ports_at = IP_AT + 20;
	} else if (ethertype == 0x86dd && size >= IP_AT + 40 && (frame[IP_AT + 6] == 6 || frame[IP_AT + 6] == 17)) {
		swap(frame + IP_AT + 8, frame + IP_AT + 24, 16);
		ports_at = IP_AT + 40;
	} else {
		return ethertype != 0x0800 && ethertype != 0x86dd;
	}
	if (size >= ports_at + 4)
		swap(frame + ports_at, frame + ports_at + 2, 2);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = copy_of(data, size);
	uint32_t hash = fc_flow_hash(frame, (uint32_t)size);

	expect(fc_flow_hash(data, (uint32_t)size) == hash); // wherever it lies
	if (turn_around(frame, size))
		expect(fc_flow_hash(frame, (uint32_t)size) == hash);
	free(frame);
	return 0;
}
