# cython: language_level=3
"""What others can see of this process: its command line, its first environment, its core dumps.

In C, for ctypes wants memory that is writable and executable, which a hardened service does not get.
"""

from libc.errno cimport errno
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy

import os

from cpython.bytes cimport PyBytes_FromStringAndSize


cdef extern from "sys/prctl.h" nogil:
    int PR_SET_DUMPABLE
    int prctl(int option, ...)


# Fields of /proc/PID/stat, proc(5), counted from the third, which is the first behind the name in brackets.
_AREAS = {"cmdline": (45, 46), "environ": (47, 48)}


def edit(str area, change):
    """Put change(bytes) in the place of an area, "cmdline" or "environ": NUL-terminated words, as in /proc/PID.

    The new content has the length of the old one. Raises OSError when the kernel does not say where the area is.
    """
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    first, last = _AREAS[area]
    cdef uintptr_t start = int(fields[first])
    cdef uintptr_t end = int(fields[last])
    if start == 0 or end < start:
        raise OSError("the kernel does not say where it is")
    cdef bytes old = PyBytes_FromStringAndSize(<const char *>start, end - start)
    cdef bytes new = change(old)
    if len(new) != len(old):
        raise ValueError("an area keeps its length")
    memcpy(<void *>start, <const char *>new, end - start)


def forbid_dumps():
    """Have the kernel write no core dump of this process, and let none but root look into it; raise OSError."""
    if prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0:
        raise OSError(errno, os.strerror(errno))
