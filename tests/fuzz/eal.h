// A small EAL for targets that need packet buffers.
#ifndef EAL_H
#define EAL_H

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "packet.h"

static struct rte_mempool *pool;

// Starts the EAL and makes `pool` of `buffers` packet buffers. Ends the program where that is not possible.
static void start_eal(unsigned buffers)
{
	char *arguments[] = {
		"fuzz", "--no-huge", "-m", "64", "--no-pci", "--no-shconf", "--no-telemetry", "--log-level=emergency"};

	if (rte_eal_init(RTE_DIM(arguments), arguments) < 0 || fc_packet_register() != 0)
		rte_exit(2, "no EAL: %s\n", rte_strerror(rte_errno));
	pool = rte_pktmbuf_pool_create("packets", buffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (pool == NULL)
		rte_exit(2, "no packet buffers: %s\n", rte_strerror(rte_errno));
}

#endif
