# Declarations of dataplane.h and producer/transport.h, nothing else. What each means is said there.
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t


cdef extern from "dataplane.h" nogil:
    enum fc_source_kind:
        FC_SOURCE_FILE
        FC_SOURCE_INTERFACE
        FC_SOURCE_ETHDEV

    struct fc_source_config:
        fc_source_kind kind
        const char *name
        uint16_t rx_queues
        uint16_t rx_descriptors
        uint32_t buffer_bytes
        uint32_t snaplen
        uint32_t mbufs
        bint promiscuous
        bint timestamps_now
        bint backoff
        const char *exclude

    struct fc_pipeline_config:
        uint16_t rx_burst
        uint16_t rx_attempts
        uint32_t tx_ring
        uint16_t tx_workers
        uint16_t tx_burst
        uint64_t count
        const char *filter
        bint headers
        const char *topic
        int32_t partitions
        uint32_t value_bytes_max
        const char **properties
        size_t property_count

    struct fc_placement:
        const int *cpus
        size_t count

    enum fc_role:
        FC_ROLE_RX
        FC_ROLE_TX

    enum fc_state:
        FC_STATE_RUNNING
        FC_STATE_DRAINING
        FC_STATE_DONE

    struct fc_rx_counters:
        uint64_t out
        uint64_t bytes
        uint64_t filtered
        uint64_t truncated
        uint64_t time_clamped
        uint64_t ring_full_drops
        uint64_t full_bursts
        uint64_t input "in"

    struct fc_tx_counters:
        uint64_t input "in"
        uint64_t held
        uint64_t refused
        uint64_t kafka_in
        uint64_t delivered
        uint64_t failed
        uint64_t abandoned
        uint64_t bytes
        uint64_t batches
        uint64_t retries

    struct fc_worker_row:
        fc_role role
        fc_state state
        bint failed
        uint16_t source
        uint16_t queue
        uint16_t worker
        int cpu
        uint64_t busy_cycles
        uint64_t total_cycles
        uint64_t ring_queued
        bint losses_known
        uint64_t missed
        uint64_t errors
        uint64_t no_mbuf
        fc_rx_counters rx
        fc_tx_counters tx

    struct fc_source_row:
        uint64_t input "in"
        uint64_t missed
        uint64_t errors
        uint64_t no_mbuf
        char *clock

    struct fc_pipeline:
        pass

    const char *fc_last_error()
    int fc_eal_start(int argc, char **argv)
    int fc_filter_check(const char *expression, bint in_kernel)
    int fc_property_check(const char *key, const char *value)
    fc_pipeline *fc_pipeline_create(const fc_pipeline_config *config)
    int fc_pipeline_add_source(fc_pipeline *p, const fc_source_config *config)
    int fc_pipeline_start(fc_pipeline *p, const fc_placement *placement)
    void fc_pipeline_stop(fc_pipeline *p, uint64_t timeout_ms)
    size_t fc_pipeline_workers(fc_pipeline *p, fc_worker_row *rows, size_t max)
    size_t fc_pipeline_sources(fc_pipeline *p, fc_source_row *rows, size_t max)
    int fc_pipeline_event(fc_pipeline *p, char *text, size_t size)
    uint64_t fc_pipeline_close(fc_pipeline *p)


cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len


cdef extern from "producer/transport.h" nogil:
    struct fc_transport:
        pass

    struct fc_tls:
        pass

    struct fc_tls_config:
        const char *ca_file
        const char *ca_directory
        const char *certificate_file
        const char *key_file
        const char *key_password
        const char *ciphers
        bint verify
        bint verify_name

    fc_tls *fc_tls_create(const fc_tls_config *config)
    void fc_tls_close(fc_tls *tls)
    fc_transport *fc_transport_plain(int fd)
    fc_transport *fc_transport_tls(fc_tls *tls, int fd, const char *host, int timeout_ms)
    ssize_t fc_transport_send(fc_transport *t, const iovec *parts, int count)
    ssize_t fc_transport_recv(fc_transport *t, void *to, size_t bytes)
    int fc_transport_fd(const fc_transport *t)
    void fc_transport_close(fc_transport *t)
