// The filter of a kernel interface, run by the kernel.
//
// The kernel takes a frame's VLAN tag out of its bytes before a filter sees them: `tcp` would pass tagged TCP, which it
// does not in a capture file, `less` would be off by 4 bytes. So tagged frames are let through for somebody to filter
// them who has their bytes as they were on the wire; all others are filtered here.
#ifndef FC_KERNEL_FILTER_H
#define FC_KERNEL_FILTER_H

#include <linux/filter.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>

// Constant once it is made.
struct fc_kernel_filter {
	int judges; // FC_FILTERS_...: the frames that need not be filtered again
	unsigned short count;
	struct sock_filter insns[]; // count of them
};

// Compiles `filter` (pcap-filter(7), "" for all) for the handle's interface; what passes is cut to `snaplen`. Tagged
// frames take `tagged` instead, which sees them without the tag, and are not cut; NULL: they take `filter` as well.
// NULL with fc_error() when that is no filter, or longer than the kernel takes. The caller frees it with free(). The
// handle is only read, so another thread may fetch from it meanwhile, but not close it.
struct fc_kernel_filter *fc_kernel_filter_make(
	pcap_t *pcap, const char *filter, const char *tagged, uint32_t snaplen, int judges);

// Whether the kernel takes it on a socket that has `before` (NULL: none), which counts against the same limit of memory
// (net.core.optmem_max) until it is replaced. Any thread; needs no privilege.
bool fc_kernel_filter_fits(const struct fc_kernel_filter *f, const struct fc_kernel_filter *before);

// Makes it the socket's filter, for each frame from the next one on. 0, or -1 with errno; nothing has changed then.
int fc_kernel_filter_attach(const struct fc_kernel_filter *f, int fd);

#endif
