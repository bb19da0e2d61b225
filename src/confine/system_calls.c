#include "system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const int always[] = {
	// memory
	SCMP_SYS(brk),
	SCMP_SYS(get_mempolicy),
	SCMP_SYS(madvise),
	SCMP_SYS(mbind),
	SCMP_SYS(membarrier),
	SCMP_SYS(memfd_create),
	SCMP_SYS(fallocate), // of hugepages; a file has to be open for it
	SCMP_SYS(ftruncate), // likewise
	SCMP_SYS(mincore),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect), // PROT_EXEC too: filters are compiled, and the resolver loads its modules
	SCMP_SYS(mremap),
	SCMP_SYS(munlock),
	SCMP_SYS(munmap),
	SCMP_SYS(set_mempolicy),
	// threads and signals
	SCMP_SYS(arch_prctl),
	SCMP_SYS(capget),
	SCMP_SYS(capset), // takes away only, by then
	// Threads. A process that they make has the same filter; clone3() has its flags where no filter can look.
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(futex),
	SCMP_SYS(get_robust_list),
	SCMP_SYS(getcpu),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sched_get_priority_max),
	SCMP_SYS(sched_get_priority_min),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(sigaltstack),
	// who and where we are
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getgroups),
	SCMP_SYS(getpgrp),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(getresgid),
	SCMP_SYS(getresuid),
	SCMP_SYS(getrlimit),
	SCMP_SYS(getrusage),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(prlimit64),
	SCMP_SYS(sysinfo),
	SCMP_SYS(times),
	SCMP_SYS(uname),
	SCMP_SYS(getrandom),
	// time
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(nanosleep),
	SCMP_SYS(time),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(timerfd_settime),
	// waiting
	SCMP_SYS(epoll_create),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe),
	SCMP_SYS(pipe2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pselect6),
	SCMP_SYS(select),
	// descriptors, and files as far as they are read
	SCMP_SYS(access),
	SCMP_SYS(close),
	SCMP_SYS(close_range),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(fstatfs),
	SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(lseek),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(read),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(readv),
	SCMP_SYS(stat),
	SCMP_SYS(statfs),
	SCMP_SYS(statx),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	// sockets: which ones, says socket()
	SCMP_SYS(bind),
	SCMP_SYS(connect),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(socketpair),
};

static const int of_files[] = {
	SCMP_SYS(fdatasync),
	SCMP_SYS(flock),
	SCMP_SYS(fsync),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
};

static const int deadly[] = {
	SCMP_SYS(acct),
	SCMP_SYS(add_key),
	SCMP_SYS(chroot),
	SCMP_SYS(delete_module),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(finit_module),
	SCMP_SYS(fsopen),
	SCMP_SYS(init_module),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(mount),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(open_tree),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(reboot),
	SCMP_SYS(request_key),
	SCMP_SYS(setns),
	SCMP_SYS(swapoff),
	SCMP_SYS(swapon),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
};

// Of prctl(2). 0x53564d41 is PR_SET_VMA, by which allocators name their memory.
static const unsigned prctls[] = {
	PR_SET_NAME,
	PR_GET_NAME,
	PR_CAPBSET_READ,
	PR_CAPBSET_DROP,
	PR_CAP_AMBIENT,
	PR_SET_NO_NEW_PRIVS,
	PR_GET_NO_NEW_PRIVS,
	PR_GET_SECCOMP,
	PR_GET_SECUREBITS,
	PR_GET_DUMPABLE,
	0x53564d41,
};

static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

// Of ioctl(2), which takes 32 bits of its argument: descriptors, and whether it is a terminal; not pushing into one.
static const unsigned ioctls[] = {FIONBIO, FIONREAD, FIOCLEX, TCGETS, TIOCGWINSZ};
// Those of sockets and interfaces (0x89..), and of wireless ones (0x8b..), by their type.
static const unsigned ioctl_types[] = {0x89, 0x8b};

static int add_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	int error = 0;
	size_t k;

	for (k = 0; error == 0 && k < count; k++)
		error = seccomp_rule_add(filter, action, calls[k], 0);
	return error;
}

static int allow_equal(scmp_filter_ctx filter, int call, unsigned argument, uint64_t value)
{
	return seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, call, 1, SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value));
}

static int add_reading(scmp_filter_ctx filter)
{
	const uint64_t writes = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	int error = seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));

	if (error == 0)
		error = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
	return error;
}

static int add_ioctls(scmp_filter_ctx filter, bool any)
{
	int error = 0;
	size_t k;

	if (any)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 0);
	for (k = 0; error == 0 && k < COUNT(ioctls); k++)
		error = allow_equal(filter, SCMP_SYS(ioctl), 1, ioctls[k]);
	for (k = 0; error == 0 && k < COUNT(ioctl_types); k++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffff00, (uint64_t)ioctl_types[k] << 8));
	return error;
}

static int add_families(scmp_filter_ctx filter, unsigned needs)
{
	int error = 0;
	size_t k;

	for (k = 0; error == 0 && k < COUNT(families); k++)
		error = allow_equal(filter, SCMP_SYS(socket), 0, families[k]);
	if (error == 0 && (needs & (FC_CALLS_PACKET_SOCKETS | FC_CALLS_DEVICES)) != 0)
		error = allow_equal(filter, SCMP_SYS(socket), 0, AF_PACKET);
	if (error == 0 && (needs & FC_CALLS_DEVICES) != 0)
		error = allow_equal(filter, SCMP_SYS(socket), 0, AF_XDP);
	return error;
}

static int add_threads(scmp_filter_ctx filter)
{
	int error = allow_equal(filter, SCMP_SYS(tgkill), 0, (uint64_t)getpid()); // abort()
	size_t k;

	for (k = 0; error == 0 && k < COUNT(prctls); k++)
		error = allow_equal(filter, SCMP_SYS(prctl), 0, prctls[k]);
	return error;
}

static int add_rules(scmp_filter_ctx filter, unsigned needs)
{
	bool devices = (needs & FC_CALLS_DEVICES) != 0;
	int error = add_all(filter, SCMP_ACT_ALLOW, always, COUNT(always));

	if (error == 0)
		error = add_all(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
	if (error == 0)
		error = seccomp_rule_add(filter, devices ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), 0);
	if (error == 0)
		error = add_threads(filter);
	if (error == 0)
		error = add_ioctls(filter, devices);
	if (error == 0)
		error = add_families(filter, needs);
	if (error == 0)
		error = (needs & FC_CALLS_WRITE_FILES) != 0 ? add_all(filter, SCMP_ACT_ALLOW, of_files, COUNT(of_files))
							    : add_reading(filter);
	return error;
}

int fc_system_calls_confine(unsigned needs)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error;

	if (filter == NULL)
		return -ENOMEM;
	error = add_rules(filter, needs);
	// All threads at once, those that are there already too.
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
