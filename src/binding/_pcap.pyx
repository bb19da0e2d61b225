# cython: language_level=3
"""Capture files and filters through libpcap: wraps and checks, decides nothing.

Times are nanoseconds since the Unix epoch, lengths are bytes. Types and errors: `_pcap.pyi`.
An object of this module belongs to one thread at a time.
"""

import os

from libc.errno cimport errno
from libc.stdint cimport uint8_t
from libc.stdio cimport _IOFBF, FILE, fclose, ferror, setvbuf
from libc.string cimport memset
from posix.stdio cimport fdopen
from posix.time cimport time_t

from pcap cimport *

cdef enum:
    FRAME_BYTES_MAX = 262144  # libpcap's own limit for Ethernet; readers refuse longer records
    OUTPUT_BUFFER_BYTES = 65536

SNAPLEN_MAX = FRAME_BYTES_MAX


class FilterError(ValueError):
    pass


class CaptureFileError(ValueError):
    pass


cdef str _text(const char *message):
    return message.decode("utf-8", "replace") if message is not NULL else ""


cdef class Filter:
    cdef bpf_program _program
    cdef readonly str expression

    # The program is freed in __dealloc__ whether or not it was compiled: pcap_freecode() takes a zeroed one.
    def __cinit__(self):
        memset(&self._program, 0, sizeof(self._program))

    def __init__(self, str expression not None, int snaplen=FRAME_BYTES_MAX):
        cdef bytes text = expression.encode("utf-8", "surrogateescape")
        cdef pcap_t *dead
        if b"\0" in text:
            raise FilterError("a filter cannot hold a NUL character")
        if snaplen <= 0:
            raise ValueError(f"snaplen {snaplen} is not positive")
        dead = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, snaplen, PCAP_TSTAMP_PRECISION_NANO)
        if dead is NULL:
            raise MemoryError
        try:
            pcap_freecode(&self._program)  # of an earlier __init__
            if pcap_compile(dead, &self._program, text, 1, PCAP_NETMASK_UNKNOWN) != 0:
                raise FilterError(_text(pcap_geterr(dead)))
        finally:
            pcap_close(dead)
        self.expression = expression

    def __dealloc__(self):
        pcap_freecode(&self._program)

    def matches(self, bytes frame not None, original_length=None):
        cdef pcap_pkthdr header
        if self._program.bf_insns is NULL:
            raise ValueError("the filter was not compiled")
        memset(&header, 0, sizeof(header))
        # Cython's conversions raise OverflowError for what does not fit 32 bits.
        header.caplen = len(frame)
        header.len = header.caplen if original_length is None else original_length
        return pcap_offline_filter(&self._program, &header, <const uint8_t *><const char *>frame) != 0


cdef class CaptureReader:
    cdef pcap_t *_pcap
    cdef readonly object path
    cdef readonly int link_type
    cdef readonly str link_type_name
    cdef readonly str link_type_description

    def __init__(self, path):
        cdef char problem[PCAP_ERRBUF_SIZE]
        cdef FILE *stream
        if self._pcap is not NULL:
            raise ValueError("the reader is open already")
        # Python opens, so that a missing file, a directory or a lack of rights is the usual OSError.
        with open(path, "rb") as file:
            descriptor = os.dup(file.fileno())
        stream = fdopen(descriptor, b"rb")
        if stream is NULL:
            number = errno
            os.close(descriptor)
            raise OSError(number, os.strerror(number), path)
        problem[0] = 0
        self._pcap = pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, problem)
        if self._pcap is NULL:
            fclose(stream)
            raise CaptureFileError(_text(problem))
        self.path = path
        self.link_type = pcap_datalink(self._pcap)
        self.link_type_name = _text(pcap_datalink_val_to_name(self.link_type)) or str(self.link_type)
        self.link_type_description = _text(pcap_datalink_val_to_description(self.link_type)) or "unknown"

    def __dealloc__(self):
        self._release()

    cdef void _release(self) noexcept:
        if self._pcap is not NULL:
            pcap_close(self._pcap)
            self._pcap = NULL

    def close(self):
        self._release()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._release()

    def __iter__(self):
        return self

    def __next__(self):
        cdef pcap_pkthdr *header = NULL
        cdef const uint8_t *data = NULL
        cdef time_t seconds
        cdef int result
        if self._pcap is NULL:
            raise ValueError("the capture file is closed")
        result = pcap_next_ex(self._pcap, &header, &data)
        if result == PCAP_ERROR_BREAK:
            raise StopIteration
        if result != 1:
            raise CaptureFileError(_text(pcap_geterr(self._pcap)))
        seconds = header.ts.tv_sec
        if -(<time_t>1 << 31) <= seconds < 0:
            # The file format has unsigned seconds; libpcap reads them as signed: 2038 to 2106 come out negative.
            seconds += <time_t>1 << 32
        # Python's integers: neither the seconds of a pcapng file nor a broken sub-second field can overflow them.
        time_ns = max(0, <object>seconds * 1_000_000_000 + <object>header.ts.tv_usec)
        return time_ns, header.len, (<const char *>data)[:header.caplen]


cdef class CaptureWriter:
    cdef pcap_t *_pcap
    cdef FILE *_stream  # the pcap_dumper_t, which is a stdio stream by libpcap's documentation (pcap_dump_file)
    cdef readonly bint nanoseconds

    def __init__(self, file, *, bint nanoseconds=False):
        cdef FILE *stream
        if self._pcap is not NULL:
            raise ValueError("the writer is open already")
        self.nanoseconds = nanoseconds
        self._pcap = pcap_open_dead_with_tstamp_precision(
            DLT_EN10MB,
            FRAME_BYTES_MAX,
            PCAP_TSTAMP_PRECISION_NANO if nanoseconds else PCAP_TSTAMP_PRECISION_MICRO,
        )
        if self._pcap is NULL:
            raise MemoryError
        if isinstance(file, int):
            descriptor = os.dup(file)  # ours to close, the caller keeps its own
        else:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        stream = fdopen(descriptor, b"wb")
        if stream is NULL:
            number = errno
            os.close(descriptor)
            raise OSError(number, os.strerror(number))
        setvbuf(stream, NULL, _IOFBF, OUTPUT_BUFFER_BYTES)
        # The file header stays in the buffer, so this cannot fail for want of room on the disk.
        self._stream = <FILE *>pcap_dump_fopen(self._pcap, stream)
        if self._stream is NULL:
            raise OSError(_text(pcap_geterr(self._pcap)))
        self.flush()

    def __dealloc__(self):
        if self._stream is not NULL:
            fclose(self._stream)
        if self._pcap is not NULL:
            pcap_close(self._pcap)

    cdef int _check_open(self) except -1:
        if self._stream is NULL:
            raise ValueError("the capture file is closed")
        return 0

    def write(self, time_ns, original_length, bytes frame not None):
        cdef pcap_pkthdr header
        cdef const uint8_t *data = <const uint8_t *><const char *>frame
        cdef unsigned long long time = time_ns
        cdef unsigned long long seconds = time // 1_000_000_000
        cdef unsigned long long fraction = time % 1_000_000_000
        cdef bint failed
        cdef int number
        self._check_open()
        if seconds > 0xFFFFFFFF:
            raise ValueError(f"{time_ns} ns is past 2106, the end of time in a pcap file")
        if len(frame) > FRAME_BYTES_MAX:
            raise ValueError(f"a frame of {len(frame)} bytes is above the limit of {FRAME_BYTES_MAX}")
        memset(&header, 0, sizeof(header))
        header.ts.tv_sec = <time_t>seconds
        header.ts.tv_usec = fraction if self.nanoseconds else fraction // 1000
        header.caplen = len(frame)
        header.len = original_length  # OverflowError if it does not fit 32 bits
        with nogil:  # a pipe's reader may keep us waiting here
            pcap_dump(<uint8_t *>self._stream, &header, data)
            # pcap_dump() returns nothing: the stream's error flag is all there is.
            failed = ferror(self._stream) != 0
            number = errno
        if failed:
            self._fail(number)

    def flush(self):
        cdef int result
        cdef int number
        self._check_open()
        with nogil:
            result = pcap_dump_flush(<pcap_dumper_t *>self._stream)
            number = errno
        if result != 0 or ferror(self._stream):
            self._fail(number)

    def close(self):
        cdef FILE *stream = self._stream
        cdef bint failed_before, failed
        cdef int number
        if stream is NULL:
            return
        self._stream = NULL
        with nogil:
            failed_before = ferror(stream) != 0
            failed = fclose(stream) != 0
            number = errno
        # A failure of an earlier write has been raised there, with its cause; it is not forgotten here.
        if failed or failed_before:
            self._fail(number if failed else 0)

    def _fail(self, int number):
        if number == 0:
            raise OSError("the capture file could not be written")
        raise OSError(number, os.strerror(number))

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()
