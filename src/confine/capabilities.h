// Capabilities, capabilities(7): given up and never got back. They are each thread's own; a new thread has those of the
// thread that made it. Sets are bit masks, 1 << CAP_...
#ifndef FC_CAPABILITIES_H
#define FC_CAPABILITIES_H

#include <stdint.h>
#include <sys/types.h>

// Leaves the calling thread with what it has of `keep`, effective and permitted; nothing is inheritable or ambient, and
// nothing comes back by a program that it executes (no_new_privs, and the bounding set where the thread may change it).
// 0 or -errno.
int fc_capabilities_keep(uint64_t keep);

// Makes the process another user's, all threads, with these supplementary groups. The calling thread keeps its
// permitted capabilities (call fc_capabilities_keep() then), all others lose theirs. 0 or -errno.
int fc_capabilities_change_user(uid_t user, gid_t group, const gid_t *groups, size_t count);

#endif
