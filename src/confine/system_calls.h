// The system calls that are left to the engine once its sources are open: a seccomp(2) filter for all threads.
#ifndef FC_SYSTEM_CALLS_H
#define FC_SYSTEM_CALLS_H

// What some engines need and others do not.
enum {
	FC_CALLS_WRITE_FILES = 1,    // making, writing and removing files
	FC_CALLS_PACKET_SOCKETS = 2, // opening AF_PACKET sockets
	FC_CALLS_DEVICES = 4,        // what drivers do to their devices: any ioctl, AF_XDP, bpf
};

// From now on, and in all threads: what is not on the list fails with EPERM, and the kernel logs it; what only an
// attacker would call (executing a program, tracing, mounting, loading kernel code, ...) kills the process. Sets
// no_new_privs. 0 or -errno; then no filter is there.
int fc_system_calls_confine(unsigned needs);

#endif
