# cython: language_level=3
"""How well the system clock is disciplined: adjtimex(2)."""

from libc.string cimport memset


cdef extern from "sys/timex.h" nogil:
    struct timex:
        unsigned int modes
        long maxerror
        int status
    int STA_UNSYNC
    int adjtimex(timex *state)


def discipline():
    """Return (whether the clock is synchronised, its largest error in microseconds); raise OSError if it is hidden."""
    cdef timex state
    memset(&state, 0, sizeof(state))  # modes 0: nothing is changed
    if adjtimex(&state) < 0:
        raise OSError("adjtimex")
    return not state.status & STA_UNSYNC, state.maxerror
