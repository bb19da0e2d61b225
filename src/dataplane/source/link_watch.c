#include "link_watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "../error.h"

enum { MESSAGES_BYTES = 32768 }; // the kernel sends no more in one piece

static void note(struct fc_link_watch *w, unsigned flags, uint32_t mtu, struct fc_events *events)
{
	bool up = (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0;

	if (w->known && up != w->up)
		fc_event(events, LOG_NOTICE, up ? "%s: the link is up again" : "%s: the link is down; waiting for it",
			w->name);
	if (w->known && mtu != w->mtu && mtu != 0 && w->mtu != 0)
		fc_event(events, LOG_NOTICE, "%s: the MTU is %u now, was %u", w->name, mtu, w->mtu);
	w->known = true;
	w->up = up;
	if (mtu != 0)
		w->mtu = mtu;
}

// One RTM_NEWLINK; those of other interfaces do not matter.
static void note_message(struct fc_link_watch *w, const struct nlmsghdr *message, struct fc_events *events)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	const struct rtattr *attribute = IFLA_RTA(link);
	size_t left = IFLA_PAYLOAD(message);
	bool ours = false;
	uint32_t mtu = 0;

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == IFLA_IFNAME)
			ours = strncmp(RTA_DATA(attribute), w->name, RTA_PAYLOAD(attribute)) == 0;
		else if (attribute->rta_type == IFLA_MTU && RTA_PAYLOAD(attribute) == sizeof mtu)
			memcpy(&mtu, RTA_DATA(attribute), sizeof mtu);
	}
	if (ours)
		note(w, link->ifi_flags, mtu, events);
}

// What the link is like at this moment, without a message.
static void look(struct fc_link_watch *w, struct fc_events *events)
{
	struct ifreq flags = {0}, mtu = {0};

	strncpy(flags.ifr_name, w->name, IFNAMSIZ - 1);
	strncpy(mtu.ifr_name, w->name, IFNAMSIZ - 1);
	if (ioctl(w->fd, SIOCGIFFLAGS, &flags) == 0 && ioctl(w->fd, SIOCGIFMTU, &mtu) == 0)
		note(w, (unsigned short)flags.ifr_flags, (uint32_t)mtu.ifr_mtu, events);
}

int fc_link_watch_open(struct fc_link_watch *w, const char *name)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};

	*w = (struct fc_link_watch){.name = name};
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&address, sizeof address) != 0)
		return fc_error(errno, "%s: cannot watch the link: %s", name, strerror(errno));
	look(w, NULL); // says nothing: nothing is known before
	return 0;
}

void fc_link_watch_close(struct fc_link_watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

void fc_link_watch_poll(struct fc_link_watch *w, struct fc_events *events)
{
	_Alignas(struct nlmsghdr) char messages[MESSAGES_BYTES];
	ssize_t got;

	while ((got = recv(w->fd, messages, sizeof messages, 0)) > 0) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)messages;
		size_t left = (size_t)got;

		for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
			if (message->nlmsg_type == RTM_NEWLINK)
				note_message(w, message, events);
	}
	if (errno == ENOBUFS) // messages were lost
		look(w, events);
}
