# cython: language_level=3
"""The data plane as Python sees it: wraps, checks and releases the GIL, nothing else.

The contract is dataplane.h, and producer/transport.h for Tls and Transport.
"""

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN
from libc.stdlib cimport calloc, free
from libc.string cimport strdup

cimport dataplane as c

SOURCE_FILE = int(c.FC_SOURCE_FILE)
SOURCE_INTERFACE = int(c.FC_SOURCE_INTERFACE)
SOURCE_ETHDEV = int(c.FC_SOURCE_ETHDEV)
SOURCE_MEMORY = int(c.FC_SOURCE_MEMORY)

PARTITIONS = {
    "sticky": c.FC_PARTITION_STICKY,
    "flow": c.FC_PARTITION_FLOW,
    "queue": c.FC_PARTITION_QUEUE,
    "key": c.FC_PARTITION_KEY,
}
CODECS = {"none": 0, "lz4": 3, "zstd": 4}  # as in the attributes of a record batch
SPILL_SYNCS = {
    "none": c.FC_SPILL_SYNC_NONE,
    "interval": c.FC_SPILL_SYNC_INTERVAL,
    "batch": c.FC_SPILL_SYNC_BATCH,
}
NEEDS = {
    int(c.FC_NEED_CONNECTION): "connection",
    int(c.FC_NEED_TOPIC): "topic",
    int(c.FC_NEED_PRODUCER_ID): "producer_id",
}
STATES = {int(c.FC_STATE_RUNNING): "running", int(c.FC_STATE_DRAINING): "draining", int(c.FC_STATE_DONE): "done"}


class DataplaneError(Exception):
    """What fc_last_error() says; `errno` is the positive error number, 0 when there is none."""

    def __init__(self, str message, int errno=0):
        super().__init__(message)
        self.errno = errno


cdef object last_error(int status):
    return DataplaneError(c.fc_last_error().decode("utf-8", "replace"), -status)


def versions():
    """Return names and versions of the libraries below the data plane, with a comma between them."""
    return c.fc_versions().decode("utf-8", "replace")


def eal_start(list arguments not None):
    """Start DPDK's EAL with `arguments` (program name first); once per process."""
    cdef int count = len(arguments), status
    # The EAL keeps pointers into the strings, so they are never freed.
    cdef char **argv = <char **>calloc(count + 1, sizeof(char *))
    if argv == NULL:
        raise MemoryError
    for index, argument in enumerate(arguments):
        argv[index] = strdup((<str?>argument).encode())
    with nogil:
        status = c.fc_eal_start(count, argv)
    if status != 0:
        raise last_error(status)


def eal_confine(c.uint64_t keep):
    """Leave the EAL's threads no capabilities but those of the set `keep`; after the last source has been added."""
    cdef int status
    with nogil:
        status = c.fc_eal_confine(keep)
    if status != 0:
        raise last_error(status)


def cycles_per_second():
    """Return how many of the workers' cycles a second has; after eal_start()."""
    return c.fc_cycles_per_second()


def device_describe(str devargs not None):
    """Return what a DPDK device says of itself, by the names of struct fc_device_info; eal_start() comes first."""
    cdef c.fc_device_info info
    cdef int status
    devargs_bytes = devargs.encode("utf-8", "surrogateescape")
    cdef const char *text = devargs_bytes
    with nogil:
        status = c.fc_device_describe(text, &info)
    if status != 0:
        raise last_error(status)
    return {
        "driver": (<bytes>info.driver).decode("utf-8", "replace"),
        "mac": (<bytes>info.mac).decode(),
        "rx_queues_max": info.rx_queues_max,
        "rx_descriptors_min": info.rx_descriptors_min,
        "rx_descriptors_max": info.rx_descriptors_max,
        "rx_descriptors_align": info.rx_descriptors_align,
        "mtu_max": info.mtu_max,
        "frame_bytes_max": info.frame_bytes_max,
        "hash_key_bytes": info.hash_key_bytes,
        "reta_entries": info.reta_entries,
        "numa_node": info.numa_node,
        "link_up": bool(info.link_up),
        "speed_mbps": info.speed_mbps,
        "hash_types": (<bytes>info.hash_types).decode().split(),
        "rx_offloads": (<bytes>info.rx_offloads).decode().split(),
    }


def filter_check(str expression not None, *, bint in_kernel):
    """Raise DataplaneError with libpcap's words when `expression` is not pcap-filter(7).

    With `in_kernel` it may also ask for what only the kernel knows (inbound, outbound).
    """
    if "\0" in expression:  # what is behind it would be left out
        raise DataplaneError("a filter cannot hold a NUL character")
    cdef int status = c.fc_filter_check(expression.encode(), in_kernel)
    if status != 0:
        raise last_error(status)


def property_check(str key not None, str value not None):
    """Raise DataplaneError when librdkafka does not know the property or its value."""
    cdef int status = c.fc_property_check(key.encode(), value.encode())
    if status != 0:
        raise last_error(status)


cdef bytes optional_bytes(text):
    return None if text is None else (<str?>text).encode("utf-8", "surrogateescape")


cdef const char *optional_text(bytes text):
    return NULL if text is None else <const char *>text


cdef class Tls:
    """What all TLS connections share: authorities, client certificate, what is verified."""

    cdef c.fc_tls *tls

    def __cinit__(
        self, *, ca_file=None, ca_directory=None, certificate_file=None, key_file=None, key_password=None,
        ciphers=None, bint verify=True, bint verify_name=True,
    ):
        cdef c.fc_tls_config config
        texts = [
            optional_bytes(text)
            for text in (ca_file, ca_directory, certificate_file, key_file, key_password, ciphers)
        ]
        config.ca_file = optional_text(texts[0])
        config.ca_directory = optional_text(texts[1])
        config.certificate_file = optional_text(texts[2])
        config.key_file = optional_text(texts[3])
        config.key_password = optional_text(texts[4])
        config.ciphers = optional_text(texts[5])
        config.verify = verify
        config.verify_name = verify_name
        self.tls = c.fc_tls_create(&config)
        if self.tls == NULL:
            raise last_error(0)

    def __dealloc__(self):
        c.fc_tls_close(self.tls)


cdef class Transport:
    """A connected byte stream to a broker, plain or TLS, non-blocking. One thread at a time."""

    cdef c.fc_transport *transport

    @staticmethod
    def plain(int fd):
        """Take the connected socket `fd`, also when it fails."""
        cdef Transport self = Transport.__new__(Transport)
        self.transport = c.fc_transport_plain(fd)
        if self.transport == NULL:
            raise last_error(0)
        return self

    @staticmethod
    def tls(Tls tls not None, int fd, str host not None, int timeout_ms):
        """Take the connected socket `fd`, also when it fails, and shake hands; blocks up to `timeout_ms`."""
        cdef Transport self = Transport.__new__(Transport)
        cdef bytes name = host.encode()
        cdef const char *text = name
        with nogil:
            self.transport = c.fc_transport_tls(tls.tls, fd, text, timeout_ms)
        if self.transport == NULL:
            raise last_error(-c.fc_last_errno())
        return self

    def __dealloc__(self):
        c.fc_transport_close(self.transport)

    # The pointer moves to the caller; this object is then as after close(). NULL when it is closed.
    cdef c.fc_transport *take(self):
        cdef c.fc_transport *transport = self.transport
        self.transport = NULL
        return transport

    cdef check_open(self):
        if self.transport == NULL:
            raise ValueError("the transport is closed")

    def send(self, bytes data not None):
        """Return how many bytes were taken, None when there is no room: then offer the same bytes again."""
        cdef c.iovec part
        cdef ssize_t sent
        self.check_open()
        part.iov_base = <char *>data
        part.iov_len = len(data)
        sent = c.fc_transport_send(self.transport, &part, 1)
        if sent == -EAGAIN:
            return None
        if sent < 0:
            raise last_error(<int>sent)
        return sent

    def recv(self, size_t size):
        """Return up to `size` bytes, b"" when the other side has closed, None when nothing is there."""
        cdef ssize_t received
        self.check_open()
        cdef bytes data = PyBytes_FromStringAndSize(NULL, size)
        received = c.fc_transport_recv(self.transport, PyBytes_AsString(data), size)
        if received == -EAGAIN:
            return None
        if received < 0:
            raise last_error(<int>received)
        return data[:received]

    def fileno(self):
        """Return the socket's descriptor, for poll."""
        self.check_open()
        return c.fc_transport_fd(self.transport)

    def close(self):
        """Close the socket. Harmless when it is closed, or has been handed over."""
        c.fc_transport_close(self.take())


cdef dict rx_counters(const c.fc_rx_counters *rx):
    return {
        "in": rx.input,
        "out": rx.out,
        "bytes": rx.bytes,
        "filtered": rx.filtered,
        "truncated": rx.truncated,
        "time_clamped": rx.time_clamped,
        "ring_full_drops": rx.ring_full_drops,
        "full_bursts": rx.full_bursts,
    }


cdef dict tx_counters(const c.fc_tx_counters *tx):
    return {
        "in": tx.input,
        "held": tx.held,
        "refused": tx.refused,
        "kafka_in": tx.kafka_in,
        "recovered": tx.recovered,
        "spilled": tx.spilled,
        "delivered": tx.delivered,
        "failed": tx.failed,
        "abandoned": tx.abandoned,
        "bytes": tx.bytes,
        "batches": tx.batches,
        "retries": tx.retries,
        "spill_written": tx.spill_written,
        "spill_replayed": tx.spill_replayed,
        "spill_refusals": tx.spill_refusals,
        "buffer_permille": tx.buffer_permille,
    }


cdef dict worker_row(const c.fc_worker_row *row):
    is_rx = row.role == c.FC_ROLE_RX
    result = {
        "role": "rx" if is_rx else "tx",
        "state": STATES[<int>row.state],
        "source": row.source,
        "queue": row.queue,
        "worker": row.worker,
        "cpu": row.cpu,
        "failed": bool(row.failed),
        "busy_cycles": row.busy_cycles,
        "total_cycles": row.total_cycles,
        "cpu_time_ns": row.cpu_time_ns,
    }
    if is_rx:
        result["ring_queued"] = row.ring_queued
        result["longest_gap_ns"] = row.longest_gap_ns
        result["losses"] = None
        if row.losses_known:
            result["losses"] = {"missed": row.missed, "errors": row.errors, "no_mbuf": row.no_mbuf}
        result["counters"] = rx_counters(&row.rx)
    else:
        result["counters"] = tx_counters(&row.tx)
    return result


cdef class Pipeline:
    """One pipeline; call it from one thread, and close it."""

    cdef c.fc_pipeline *p

    def __cinit__(
        self, *, int rx_burst, int rx_attempts, int tx_ring, int tx_workers, int tx_burst, count, str filter not None,
        bint headers, str topic not None, int partitions, int value_bytes_max, str partition not None,
        dict properties not None, dict direct=None,
    ):
        """`properties` are librdkafka's; with `direct` (members of struct fc_direct_config) that producer is taken."""
        cdef c.fc_pipeline_config config
        cdef size_t index
        filter_bytes = filter.encode()
        topic_bytes = topic.encode()
        flat = [text.encode() for pair in properties.items() for text in pair]
        cdef const char **pairs = <const char **>calloc(len(flat) + 1, sizeof(char *))
        if pairs == NULL:
            raise MemoryError
        for index, text in enumerate(flat):
            pairs[index] = <const char *>text
        config.rx_burst = rx_burst
        config.rx_attempts = rx_attempts
        config.tx_ring = tx_ring
        config.tx_workers = tx_workers
        config.tx_burst = tx_burst
        config.count = count
        config.filter = filter_bytes
        config.headers = headers
        config.topic = topic_bytes
        config.partitions = partitions
        config.value_bytes_max = value_bytes_max
        config.properties = pairs
        config.property_count = len(properties)
        config.partition = PARTITIONS[partition]
        config.producer = c.FC_PRODUCER_LIBRDKAFKA if direct is None else c.FC_PRODUCER_DIRECT
        client_id = spill_directory = b""
        config.direct = c.fc_direct_config()
        if direct is not None:
            client_id = direct["client_id"].encode()
            config.direct.codec = CODECS[direct["codec"]]
            config.direct.codec_level = direct["codec_level"]
            config.direct.linger_us = direct["linger_us"]
            config.direct.batch_bytes_max = direct["batch_bytes_max"]
            config.direct.buffer_bytes = direct["buffer_bytes"]
            config.direct.request_timeout_ms = direct["request_timeout_ms"]
            config.direct.delivery_timeout_ms = direct["delivery_timeout_ms"]
            config.direct.retry_backoff_ms = direct["retry_backoff_ms"]
            config.direct.retry_backoff_max_ms = direct["retry_backoff_max_ms"]
            spill_directory = direct["spill_directory"].encode("utf-8", "surrogateescape")
            config.direct.spill_bytes_max = direct["spill_bytes_max"]
            config.direct.spill_sync = SPILL_SYNCS[direct["spill_sync"]]
        config.direct.client_id = client_id
        config.direct.spill_directory = spill_directory
        self.p = c.fc_pipeline_create(&config)
        free(<void *>pairs)
        if self.p == NULL:
            raise last_error(0)

    def __dealloc__(self):
        if self.p != NULL:
            c.fc_pipeline_close(self.p)

    cdef check_open(self):
        if self.p == NULL:
            raise ValueError("the pipeline is closed")

    def add_source(
        self, *, int kind, str name not None, int rx_queues, int rx_descriptors, buffer_bytes, snaplen, mbufs,
        frame_bytes, packets, int numa_node, bint promiscuous, bint timestamps_now, bint backoff, str exclude not None,
    ):
        """Open a source; nothing is received before start()."""
        cdef c.fc_source_config config
        cdef int status
        self.check_open()
        name_bytes = name.encode("utf-8", "surrogateescape")
        exclude_bytes = exclude.encode()
        config.kind = <c.fc_source_kind>kind
        config.name = name_bytes
        config.rx_queues = rx_queues
        config.rx_descriptors = rx_descriptors
        config.buffer_bytes = buffer_bytes
        config.snaplen = snaplen
        config.mbufs = mbufs
        config.frame_bytes = frame_bytes
        config.packets = packets
        config.numa_node = numa_node
        config.promiscuous = promiscuous
        config.timestamps_now = timestamps_now
        config.backoff = backoff
        config.exclude = exclude_bytes
        with nogil:
            status = c.fc_pipeline_add_source(self.p, &config)
        if status != 0:
            raise last_error(status)

    def start(self, list cpus not None):
        """Connect the producers and start the workers on `cpus` (-1: not pinned), in the order of workers()."""
        cdef c.fc_placement placement
        cdef int status
        self.check_open()
        cdef int *numbers = <int *>calloc(len(cpus) + 1, sizeof(int))
        if numbers == NULL:
            raise MemoryError
        for index, cpu in enumerate(cpus):
            numbers[index] = cpu
        placement.cpus = numbers
        placement.count = len(cpus)
        with nogil:
            status = c.fc_pipeline_start(self.p, &placement)
        free(numbers)
        if status != 0:
            raise last_error(status)

    def stop(self, timeout_ms):
        """Begin or shorten the drain; 0 gives up at once. Returns at once."""
        self.check_open()
        c.fc_pipeline_stop(self.p, timeout_ms)

    def change(self, str filter not None, snaplen):
        """Give all rx workers another filter and snaplen; False: try again later. Raises when it cannot be."""
        cdef const char *text
        cdef c.uint32_t limit = snaplen
        cdef int status
        self.check_open()
        filter_bytes = filter.encode()
        text = filter_bytes
        with nogil:
            status = c.fc_pipeline_change(self.p, text, limit)
        if status not in (0, -EAGAIN):
            raise last_error(status)
        return status == 0

    def changing(self):
        """Return how many rx workers the last change has not reached yet; call it until it is 0."""
        self.check_open()
        return c.fc_pipeline_changing(self.p)

    def workers(self):
        """Return one dictionary per worker: rx worker of queue 0, its tx workers, rx worker of queue 1, ..."""
        cdef c.fc_worker_row *rows
        self.check_open()
        cdef size_t count = c.fc_pipeline_workers(self.p, NULL, 0), index
        rows = <c.fc_worker_row *>calloc(count + 1, sizeof(c.fc_worker_row))
        if rows == NULL:
            raise MemoryError
        try:
            c.fc_pipeline_workers(self.p, rows, count)
            return [worker_row(&rows[index]) for index in range(count)]
        finally:
            free(rows)

    def sources(self):
        """Return one dictionary per source, as struct fc_source_row has it."""
        cdef c.fc_source_row *rows
        self.check_open()
        cdef size_t count = c.fc_pipeline_sources(self.p, NULL, 0), index
        rows = <c.fc_source_row *>calloc(count + 1, sizeof(c.fc_source_row))
        if rows == NULL:
            raise MemoryError
        try:
            c.fc_pipeline_sources(self.p, rows, count)
            return [
                {
                    "in": rows[index].input,
                    "missed": rows[index].missed,
                    "errors": rows[index].errors,
                    "no_mbuf": rows[index].no_mbuf,
                    "no_mbuf_waits": rows[index].no_mbuf_waits,
                    "unfetched": rows[index].unfetched,
                    "clock_steps": rows[index].clock_steps,
                    "clock": (<bytes>rows[index].clock).decode(),
                }
                for index in range(count)
            ]
        finally:
            free(rows)

    def brokers(self):
        """Return one dictionary per tx worker and broker that it knows, as struct fc_broker_row has it."""
        cdef c.fc_broker_row *rows
        cdef size_t count, index
        self.check_open()
        count = c.fc_pipeline_brokers(self.p, NULL, 0)
        rows = <c.fc_broker_row *>calloc(count + 1, sizeof(c.fc_broker_row))
        if rows == NULL:
            raise MemoryError
        try:
            # Workers may have met a new one in between.
            count = min(count, c.fc_pipeline_brokers(self.p, rows, count))
            return [
                {
                    "node": rows[index].node,
                    "connected": bool(rows[index].connected),
                    "round_trip_ns": rows[index].round_trip_ns,
                    "answers": rows[index].answers,
                }
                for index in range(count)
            ]
        finally:
            free(rows)

    def watch(self):
        """Look after links and clocks; what is new is in the events. Call it as often as workers()."""
        self.check_open()
        c.fc_pipeline_watch(self.p)

    def xstats(self, int source, size_t limit):
        """Return DPDK's extended statistics of a source that are not 0, at most `limit`, and how many there are."""
        cdef c.fc_xstat *rows
        cdef size_t count, index
        self.check_open()
        rows = <c.fc_xstat *>calloc(limit + 1, sizeof(c.fc_xstat))
        if rows == NULL:
            raise MemoryError
        try:
            count = c.fc_pipeline_xstats(self.p, source, rows, limit)
            names = {(<bytes>rows[index].name).decode("utf-8", "replace"): rows[index].value
                     for index in range(min(count, limit))}
            return names, count
        finally:
            free(rows)

    def events(self):
        """Return the unread events as (syslog level, text), oldest first."""
        cdef char text[1024]
        cdef int level
        self.check_open()
        result = []
        while True:
            level = c.fc_pipeline_event(self.p, text, sizeof(text))
            if level < 0:
                return result
            result.append((level, (<bytes>text).decode("utf-8", "replace")))

    def direct_next(self):
        """Return what a direct producer needs, (need, worker, node, partition, error, reason), or None.

        This and the other direct_... methods may be called from a second thread between start() and close().
        """
        cdef c.fc_direct_ask ask
        self.check_open()
        if c.fc_pipeline_direct_next(self.p, &ask) == 0:
            return None
        reason = (<bytes>ask.reason).decode("utf-8", "replace")
        return (NEEDS[<int>ask.need], ask.worker, ask.node, ask.partition, ask.error, reason)

    def direct_topic(self, list leaders not None, batch_bytes_max):
        """Publish the topic's metadata: the node id of each partition's leader (-1: none), and max.message.bytes."""
        cdef int status
        self.check_open()
        cdef c.int32_t *nodes = <c.int32_t *>calloc(len(leaders) + 1, sizeof(c.int32_t))
        if nodes == NULL:
            raise MemoryError
        try:
            for index, node in enumerate(leaders):
                nodes[index] = node
            status = c.fc_pipeline_direct_topic(self.p, nodes, len(leaders), batch_bytes_max)
        finally:
            free(nodes)
        if status != 0:
            raise last_error(status)

    def direct_producer_id(self, int worker, producer_id, epoch):
        """Give a tx worker its producer id and epoch; False: try again later."""
        self.check_open()
        return c.fc_pipeline_direct_producer_id(self.p, worker, producer_id, epoch) == 0

    def direct_connection(self, int worker, int node, Transport transport not None, int version):
        """Give a tx worker an authenticated connection to broker `node`, Produce requests in `version`.

        True: the transport is as after close(), the worker has it. False: try again later.
        """
        self.check_open()
        transport.check_open()
        if c.fc_pipeline_direct_connection(self.p, worker, node, transport.transport, version) != 0:
            return False
        transport.take()
        return True

    def close(self):
        """End and free everything; return how many packet buffers did not come back to their pools."""
        cdef c.fc_pipeline *p = self.p
        cdef c.uint64_t missing = 0
        self.p = NULL
        if p != NULL:
            with nogil:
                missing = c.fc_pipeline_close(p)
        return missing
