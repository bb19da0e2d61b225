#include "capabilities.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

// Without CAP_SETPCAP the bounding set stays: it bounds what a program may gain, and no_new_privs says nothing.
static int clear_bounds(void)
{
	if (capng_get_caps_process() != 0) // the library keeps its sets per thread
		return -EIO;
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return 0;
	capng_clear(CAPNG_SELECT_BOUNDS);
	return capng_apply(CAPNG_SELECT_BOUNDS) == 0 ? 0 : -EPERM;
}

int fc_capabilities_keep(uint64_t keep)
{
	const capng_type_t own = (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	const capng_type_t handed_on = (capng_type_t)(CAPNG_INHERITABLE | CAPNG_BOUNDING_SET | CAPNG_AMBIENT);
	unsigned number;
	int error;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	error = clear_bounds();
	if (error != 0)
		return error;
	for (number = 0; number <= CAP_LAST_CAP; number++) {
		if ((keep >> number & 1) == 0 || !capng_have_capability(CAPNG_PERMITTED, number))
			capng_update(CAPNG_DROP, own, number);
		else
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, number);
		capng_update(CAPNG_DROP, handed_on, number);
	}
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return -EPERM;
	return 0;
}

int fc_capabilities_change_user(uid_t user, gid_t group, const gid_t *groups, size_t count)
{
	int error = clear_bounds(); // this thread may not do it afterwards

	if (error != 0)
		return error;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return -errno;
	// glibc changes the ids of all threads.
	if (setgroups(count, groups) != 0 || setresgid(group, group, group) != 0 || setresuid(user, user, user) != 0)
		error = -errno;
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	return error;
}
