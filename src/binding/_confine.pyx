# cython: language_level=3
"""What threads and the process give up, and never get back: wraps capabilities.h and system_calls.h.

Sets of capabilities are integers with bit N for capability N, as in /proc/PID/status.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

import os


cdef extern from "sys/types.h" nogil:
    ctypedef unsigned int uid_t
    ctypedef unsigned int gid_t


cdef extern from "capabilities.h" nogil:
    int fc_capabilities_keep(uint64_t keep)
    int fc_capabilities_change_user(uid_t user, gid_t group, const gid_t *groups, size_t count)


cdef extern from "system_calls.h" nogil:
    int FC_CALLS_WRITE_FILES
    int FC_CALLS_PACKET_SOCKETS
    int FC_CALLS_DEVICES
    int fc_system_calls_confine(unsigned needs)


cdef check(int status):
    if status != 0:
        raise OSError(-status, os.strerror(-status))


def keep_capabilities(uint64_t keep):
    """Leave the calling thread, and those that it makes from now on, what they have of `keep`; sets no_new_privs."""
    check(fc_capabilities_keep(keep))


def change_user(unsigned user, unsigned group, list groups not None):
    """Make the process another user's; this thread keeps its capabilities until keep_capabilities()."""
    cdef int status
    cdef gid_t *numbers = <gid_t *>calloc(len(groups) + 1, sizeof(gid_t))
    if numbers == NULL:
        raise MemoryError
    for index, number in enumerate(groups):
        numbers[index] = number
    status = fc_capabilities_change_user(user, group, numbers, len(groups))
    free(numbers)
    check(status)


def confine_system_calls(*, bint write_files, bint packet_sockets, bint devices):
    """Leave all threads the system calls of an engine that runs (system_calls.h); raise OSError if that cannot be."""
    cdef unsigned needs = 0
    if write_files:
        needs |= FC_CALLS_WRITE_FILES
    if packet_sockets:
        needs |= FC_CALLS_PACKET_SOCKETS
    if devices:
        needs |= FC_CALLS_DEVICES
    check(fc_system_calls_confine(needs))
