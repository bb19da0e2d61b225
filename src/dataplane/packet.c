#include "packet.h"

#include <rte_errno.h>
#include <string.h>

#include "error.h"

int fc_packet_offset = -1;

int fc_packet_register(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "fastcapa_packet",
		.size = sizeof(struct fc_packet),
		.align = _Alignof(struct fc_packet),
	};

	fc_packet_offset = rte_mbuf_dynfield_register(&field);
	if (fc_packet_offset < 0)
		return fc_error(rte_errno, "cannot reserve a field in packet buffers: %s", rte_strerror(rte_errno));
	return 0;
}

struct rte_mbuf *fc_packet_copy(struct rte_mempool *pool, const uint8_t *data, uint32_t bytes)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(pool);
	struct rte_mbuf *last = first;

	if (first == NULL)
		return NULL;
	first->pkt_len = bytes;
	for (;;) {
		uint16_t room = rte_pktmbuf_tailroom(last);
		uint16_t part = bytes < room ? (uint16_t)bytes : room;

		memcpy(rte_pktmbuf_mtod(last, void *), data, part);
		last->data_len = part;
		data += part;
		bytes -= part;
		if (bytes == 0)
			return first;
		last->next = rte_pktmbuf_alloc(pool);
		if (last->next == NULL) {
			rte_pktmbuf_free(first);
			return NULL;
		}
		last = last->next;
		first->nb_segs++;
	}
}

bool fc_packet_cut(struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *last = m;
	uint32_t left = bytes;
	uint16_t segments = 1;

	if (m->pkt_len <= bytes)
		return false;
	for (; left > last->data_len; last = last->next, segments++)
		left -= last->data_len;
	rte_pktmbuf_free(last->next); // NULL is fine: the cut is inside the last segment
	last->next = NULL;
	last->data_len = (uint16_t)left;
	m->nb_segs = segments;
	m->pkt_len = bytes;
	return true;
}
