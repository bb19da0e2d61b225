// Any bytes as a Produce response: the first one chooses the version, the others are the response. Read out of memory
// of their own size, so that one byte too many is seen.
#include <errno.h>

#include "producer/produce.h"

#include "expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { VERSIONS = FC_PRODUCE_VERSION_MAX - FC_PRODUCE_VERSION_MIN + 1 };
	struct fc_produce_response r;
	struct fc_produce_result result;
	size_t results = 0;
	int status;

	if (size == 0)
		return 0;
	size--;
	uint8_t *bytes = copy_of(data + 1, size);

	fc_produce_response_open(
		&r, bytes, (uint32_t)size, (int16_t)(FC_PRODUCE_VERSION_MIN + data[0] % VERSIONS), "packets");
	while ((status = fc_produce_response_next(&r, &result)) == 1) {
		const char *at;

		results++;
		expect(result.partition >= 0 && memchr(result.text, '\0', sizeof result.text) != NULL);
		for (at = result.text; *at != '\0'; at++)
			expect(*at >= 0x20 && *at <= 0x7e);
		expect(r.at <= r.end);
	}
	// A partition takes 22 bytes and more, so nothing can be made to take long.
	expect(results * 22 <= size);
	expect(status == 0 ? r.at == r.end : status == -EBADMSG);
	expect(fc_produce_response_next(&r, &result) == -EBADMSG);
	free(bytes);
	return 0;
}
