#include "hw_clock.h"

#include <time.h>

#include "../../clock.h"

enum {
	FIRST_INTERVAL_MS = 100, // for the first estimate of the frequency
	TRIES = 5,
};

void fc_hw_clock_configure(const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP;
}

static int read_device(const struct fc_hw_clock *c, uint16_t port, uint64_t *ticks)
{
	struct timespec time;
	int error;

	if (!c->timesync)
		return rte_eth_read_clock(port, ticks);
	error = rte_eth_timesync_read_time(port, &time);
	if (error == 0)
		*ticks = (uint64_t)time.tv_sec * FC_NS_PER_S + (uint64_t)time.tv_nsec;
	return error;
}

// The device is read between two looks at the system clock. Of several such readings the tightest is taken: in it we
// were not interrupted.
static bool sample(struct fc_hw_clock *c, uint16_t port)
{
	uint64_t ticks = 0, ns = 0, tightest = UINT64_MAX;
	int try;

	for (try = 0; try < TRIES; try++) {
		uint64_t before = fc_now_ns(), after, read;

		if (read_device(c, port, &read) != 0)
			return false;
		after = fc_now_ns();
		if (after - before < tightest) { // never so when the clock went back in between
			tightest = after - before;
			ticks = read;
			ns = before + tightest / 2;
		}
	}
	if (tightest != UINT64_MAX)
		fc_ticks_sample(&c->ticks, ticks, ns);
	return true;
}

bool fc_hw_clock_start(struct fc_hw_clock *c, uint16_t port)
{
	struct rte_eth_conf conf;
	uint64_t ticks;

	if (rte_eth_dev_conf_get(port, &conf) != 0 || (conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TIMESTAMP) == 0)
		return false;
	if (rte_mbuf_dyn_rx_timestamp_register(&c->offset, &c->flag) != 0)
		return false;
	if (read_device(c, port, &ticks) != 0) {
		c->timesync = true;
		if (rte_eth_timesync_enable(port) != 0 || read_device(c, port, &ticks) != 0)
			return false;
	}
	if (!sample(c, port))
		return false;
	nanosleep(&(struct timespec){.tv_nsec = FIRST_INTERVAL_MS * FC_NS_PER_MS}, NULL);
	c->on = sample(c, port) && fc_ticks_ready(&c->ticks);
	return c->on;
}

void fc_hw_clock_look(struct fc_hw_clock *c, uint16_t port)
{
	if (c->on)
		sample(c, port);
}
