// Any text as a filter, up to its first NUL: libpcap takes or refuses it, and if DPDK's compiler takes it too, both say
// the same of each frame. The bytes behind the NUL are one of the frames.
#include <pcap/pcap.h>
#include <stdint.h>

#include "dataplane.h"
#include "error.h"
#include "rx/filter.h"

#include "eal.h"
#include "expect.h"

enum { FRAME_BYTES_MAX = 128, FRAMES = 64 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	start_eal(511);
	return 0;
}

static void compare(struct fc_filter *f, const uint8_t *frame, uint32_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	expect(m != NULL);
	memcpy(rte_pktmbuf_append(m, (uint16_t)bytes), frame, bytes);
	expect(fc_filter_matches(f, m) == (bpf_filter(f->program.bf_insns, frame, bytes, bytes) != 0));
	rte_pktmbuf_free(m);
}

// Frames that get past the first comparisons: Ethernet, perhaps a tag, IP of both versions, noise.
static uint32_t make_frame(uint8_t *frame, const uint8_t *noise, size_t noise_bytes, uint32_t number)
{
	static const uint16_t ethertypes[] = {0x0800, 0x86dd, 0x8100, 0x0806, 0x8847, 46};
	uint32_t bytes = number * 37 % (FRAME_BYTES_MAX + 1), k, at = 12;
	uint16_t ethertype = ethertypes[number % RTE_DIM(ethertypes)];

	for (k = 0; k < FRAME_BYTES_MAX; k++)
		frame[k] = (uint8_t)(number * 31 + k * k + (noise_bytes > 0 ? noise[(number + k) % noise_bytes] : 0));
	frame[at] = (uint8_t)(ethertype >> 8);
	frame[at + 1] = (uint8_t)ethertype;
	if (ethertype == 0x8100) {
		frame[at + 4] = 8;
		frame[at + 5] = 0;
		at += 4;
	}
	frame[at + 2] = ethertype == 0x86dd ? 0x60 : 0x45;
	frame[at + 11] = number % 2 == 0 ? 6 : 17;
	return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t frame[FRAME_BYTES_MAX];
	char *expression = strndup((const char *)data, size);
	size_t length = strlen(expression), rest = size > length ? size - length - 1 : 0;
	const uint8_t *bytes = data + size - rest;
	struct fc_filter f;
	uint32_t k;

	(void)fc_filter_check(expression, false);
	if (fc_filter_open(&f, expression) == 0) {
		// What looks at the kernel's own fields is refused elsewhere.
		if (!f.all && !fc_filter_needs_kernel(&f) && fc_filter_compile(&f) == 0) {
			compare(&f, bytes, (uint32_t)RTE_MIN(rest, (size_t)FRAME_BYTES_MAX));
			for (k = 0; k < FRAMES; k++)
				compare(&f, frame, make_frame(frame, bytes, rest, k));
		}
		fc_filter_close(&f);
	} else {
		expect(fc_last_error()[0] != '\0');
	}
	free(expression);
	return 0;
}
