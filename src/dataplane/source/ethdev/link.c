// The life of a port: its link, and whether it is still there.
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "ethdev.h"

// A PCI device that is pulled out. EAL's interrupt thread.
static int on_removal(uint16_t port, enum rte_eth_event_type event, void *arg, void *unused)
{
	struct fc_ethdev *e = arg;

	(void)port;
	(void)event;
	(void)unused;
	atomic_store(&e->removed, true);
	return 0;
}

// Of the kernel's interface behind the device: a driver such as af_xdp's says "up" whatever happens to it.
static bool interface_running(unsigned if_index)
{
	int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	bool running = true; // as long as nobody says otherwise

	if (descriptor < 0)
		return running;
	if (if_indextoname(if_index, request.ifr_name) != NULL && ioctl(descriptor, SIOCGIFFLAGS, &request) == 0)
		running = (request.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	close(descriptor);
	return running;
}

static bool interface_gone(unsigned if_index)
{
	char name[IF_NAMESIZE];

	return if_indextoname(if_index, name) == NULL && (errno == ENXIO || errno == ENODEV);
}

static bool link_is_up(const struct fc_ethdev *e)
{
	struct rte_eth_link link = {0};

	if (rte_eth_link_get_nowait(e->port, &link) == 0 && link.link_status == RTE_ETH_LINK_DOWN)
		return false;
	return e->if_index == 0 || interface_running(e->if_index);
}

void fc_ethdev_link_open(struct fc_source *s, struct fc_ethdev *e)
{
	rte_eth_dev_callback_register(e->port, RTE_ETH_EVENT_INTR_RMV, on_removal, e);
	e->link_up = link_is_up(e);
	if (!e->link_up)
		fc_event(s->events, LOG_WARNING, "%s: the link is down; packets come as soon as it is up", s->name);
}

void fc_ethdev_link_look(struct fc_source *s, struct fc_ethdev *e)
{
	bool up;

	if (!e->started || atomic_load(&e->removed))
		return;
	if (rte_eth_dev_is_removed(e->port) == 1 || (e->if_index != 0 && interface_gone(e->if_index))) {
		atomic_store(&e->removed, true);
		return;
	}
	up = link_is_up(e);
	if (up != e->link_up)
		fc_event(s->events, LOG_WARNING, "%s: the link is %s", s->name, up ? "up again" : "down");
	e->link_up = up;
}

void fc_ethdev_link_close(struct fc_ethdev *e)
{
	rte_eth_dev_callback_unregister(e->port, RTE_ETH_EVENT_INTR_RMV, on_removal, e);
}
