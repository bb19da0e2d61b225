#include "hidden_drops.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef SOL_XDP // the C library's headers may be older than the kernel's
#define SOL_XDP 283
#endif

static int family_of(int descriptor)
{
	int family = AF_UNSPEC;
	socklen_t size = sizeof family;

	if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
		return AF_UNSPEC; // not a socket, or closed meanwhile
	return family;
}

static bool contains(const int *descriptors, unsigned count, int descriptor)
{
	unsigned k;

	for (k = 0; k < count; k++)
		if (descriptors[k] == descriptor)
			return true;
	return false;
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

// Appends this process's sockets of `family` (AF_UNSPEC: of both) that are in neither list.
static unsigned append_sockets(struct fc_hidden_drops *h, int family, int *list, unsigned count)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned before = count;
	struct dirent *entry;

	if (directory == NULL)
		return count;
	while ((entry = readdir(directory)) != NULL && count < FC_HIDDEN_SOCKETS_MAX) {
		int descriptor = atoi(entry->d_name);
		int its_family;

		if (entry->d_name[0] == '.' || contains(h->others, h->other_count, descriptor) ||
			contains(h->sockets, h->count, descriptor))
			continue;
		its_family = family_of(descriptor);
		if (family == AF_UNSPEC ? its_family == AF_XDP || its_family == AF_PACKET : its_family == family)
			list[count++] = descriptor;
	}
	closedir(directory);
	// The kernel gives out the lowest free number: what was made later has a higher one.
	qsort(&list[before], count - before, sizeof *list, ascending);
	return count;
}

void fc_hidden_open(struct fc_hidden_drops *h)
{
	h->other_count = append_sockets(h, AF_UNSPEC, h->others, 0);
}

void fc_hidden_collect(struct fc_hidden_drops *h, enum fc_hidden_kind kind)
{
	h->kind = kind;
	if (kind == FC_HIDDEN_XDP)
		h->count = append_sockets(h, AF_XDP, h->sockets, h->count);
	else if (kind == FC_HIDDEN_PACKET)
		h->count = append_sockets(h, AF_PACKET, h->sockets, h->count);
}

// rx_dropped is the one figure that the driver passes on.
static void read_xdp(struct fc_hidden_drops *h, unsigned k)
{
	struct xdp_statistics statistics;
	socklen_t size = sizeof statistics;

	if (getsockopt(h->sockets[k], SOL_XDP, XDP_STATISTICS, &statistics, &size) == 0)
		atomic_store(&h->drops[k], statistics.rx_ring_full - h->before[k]);
}

// Reading it sets it back to 0.
static void read_packet(struct fc_hidden_drops *h, unsigned k)
{
	struct tpacket_stats statistics;
	socklen_t size = sizeof statistics;

	if (getsockopt(h->sockets[k], SOL_PACKET, PACKET_STATISTICS, &statistics, &size) == 0)
		atomic_fetch_add(&h->drops[k], statistics.tp_drops);
}

// What the kernel sends into a tap interface is what we receive. An interface that is gone keeps its last figure.
static void read_tap(struct fc_hidden_drops *h)
{
	char name[IF_NAMESIZE], path[64 + IF_NAMESIZE];
	unsigned long long dropped;
	FILE *file;

	if (if_indextoname(h->if_index, name) == NULL)
		return;
	snprintf(path, sizeof path, "/sys/class/net/%s/statistics/tx_dropped", name);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fscanf(file, "%llu", &dropped) == 1)
		atomic_store(&h->drops[0], dropped - h->before[0]);
	fclose(file);
}

uint64_t fc_hidden_read(struct fc_hidden_drops *h)
{
	unsigned count = h->kind == FC_HIDDEN_TAP ? 1 : h->count;
	uint64_t sum = 0;
	unsigned k;

	if (h->kind == FC_HIDDEN_TAP)
		read_tap(h);
	for (k = 0; k < count; k++) {
		if (h->kind == FC_HIDDEN_XDP)
			read_xdp(h, k);
		else if (h->kind == FC_HIDDEN_PACKET)
			read_packet(h, k);
		sum += atomic_load(&h->drops[k]);
	}
	return sum;
}

uint64_t fc_hidden_queue(struct fc_hidden_drops *h, uint16_t queue)
{
	return queue < h->count ? atomic_load(&h->drops[queue]) : 0;
}

void fc_hidden_start(struct fc_hidden_drops *h, unsigned if_index)
{
	unsigned k;

	h->if_index = if_index;
	fc_hidden_read(h);
	for (k = 0; k < FC_HIDDEN_SOCKETS_MAX; k++) {
		h->before[k] = h->kind == FC_HIDDEN_PACKET ? 0 : atomic_load(&h->drops[k]);
		atomic_store(&h->drops[k], 0);
	}
}
