// DPDK itself: its start, and what its own threads may do.
#include <errno.h>
#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "capabilities.h"
#include "dataplane.h"
#include "error.h"
#include "packet.h"

struct eal_errand {
	uint64_t keep;
	sem_t done;
	int error; // writer: the interrupt thread, before it posts
};

int fc_eal_start(int argc, char **argv)
{
	// Standard error alone: EAL's own choice is also the system log.
	rte_openlog_stream(stderr);
	if (rte_eal_init(argc, argv) < 0)
		return fc_error(rte_errno, "DPDK does not start: %s", rte_strerror(rte_errno));
	return fc_packet_register();
}

// On DPDK's interrupt thread.
static void confine_this_thread(void *arg)
{
	struct eal_errand *confined = arg;

	confined->error = fc_capabilities_keep(confined->keep);
	sem_post(&confined->done);
}

int fc_eal_confine(uint64_t keep)
{
	struct eal_errand confined = {.keep = keep};
	int error;

	sem_init(&confined.done, 0, 0);
	error = rte_eal_alarm_set(1, confine_this_thread, &confined);
	if (error == 0) {
		while (sem_wait(&confined.done) != 0)
			;
		error = confined.error;
	}
	sem_destroy(&confined.done);
	return error == 0
		       ? 0
		       : fc_error(-error, "DPDK's interrupt thread cannot give up capabilities: %s", strerror(-error));
}

uint64_t fc_cycles_per_second(void)
{
	return rte_get_tsc_hz();
}
