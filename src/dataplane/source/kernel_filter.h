// The filter of a kernel interface, run by the kernel.
//
// The kernel takes a frame's VLAN tag out of its bytes before a filter sees them: `tcp` would pass tagged TCP, which it
// does not in a capture file, `less` would be off by 4 bytes. So tagged frames are let through for somebody to filter
// them who has their bytes as they were on the wire; all others are filtered here.
#ifndef FC_KERNEL_FILTER_H
#define FC_KERNEL_FILTER_H

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>

// Attaches `filter` (pcap-filter(7), "" for all) to the handle's socket; what passes is cut to `snaplen`. Tagged frames
// take `tagged` instead, which sees them without the tag, and are not cut; NULL: they take `filter` as well. False with
// errno when the kernel does not take it (too long); nothing has changed then. Any thread.
bool fc_kernel_filter_attach(pcap_t *pcap, const char *filter, const char *tagged, uint32_t snaplen);

#endif
