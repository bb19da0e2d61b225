// Hardware timestamps: the clock of a device that stamps packets as they arrive, converted to Unix time.
#ifndef FC_HW_CLOCK_H
#define FC_HW_CLOCK_H

#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../ticks.h"

struct fc_hw_clock {
	bool on;       // writer: start
	bool timesync; // read through the PTP functions, in nanoseconds, instead of in ticks
	int offset;    // of the stamp in the mbuf
	uint64_t flag; // of the mbuf: this packet has a stamp
	struct fc_ticks ticks;
};

// Asks for stamps where the device offers them. Control thread, as the next two.
void fc_hw_clock_configure(const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);

// Reads the device's clock for the first time, after the start of the port; takes a tenth of a second. False when
// packets are not stamped or nobody can say what the stamps mean.
bool fc_hw_clock_start(struct fc_hw_clock *c, uint16_t port);

// Reads it again, about once a second.
void fc_hw_clock_look(struct fc_hw_clock *c, uint16_t port);

// Unix time of a packet's stamp, 0 when it has none (some devices stamp only some packets). The rx worker that owns it.
static inline uint64_t fc_hw_clock_ns(const struct fc_hw_clock *c, struct rte_mbuf *m)
{
	if ((m->ol_flags & c->flag) == 0)
		return 0;
	return fc_ticks_ns(&c->ticks, *RTE_MBUF_DYNFIELD(m, c->offset, rte_mbuf_timestamp_t *));
}

#endif
