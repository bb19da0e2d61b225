# Declarations of dataplane.h and producer/transport.h, nothing else. What each means is said there.
from libc.stddef cimport size_t
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "dataplane.h" nogil:
    enum fc_source_kind:
        FC_SOURCE_FILE
        FC_SOURCE_INTERFACE
        FC_SOURCE_ETHDEV
        FC_SOURCE_MEMORY

    struct fc_source_config:
        fc_source_kind kind
        const char *name
        uint16_t rx_queues
        uint16_t rx_descriptors
        uint32_t buffer_bytes
        uint32_t snaplen
        uint32_t mbufs
        uint32_t frame_bytes
        uint64_t packets
        int numa_node
        bint promiscuous
        bint timestamps_now
        bint backoff
        const char *exclude

    enum fc_producer_kind:
        FC_PRODUCER_LIBRDKAFKA
        FC_PRODUCER_DIRECT

    enum fc_partition_choice:
        FC_PARTITION_STICKY
        FC_PARTITION_FLOW
        FC_PARTITION_QUEUE
        FC_PARTITION_KEY

    enum fc_spill_sync:
        FC_SPILL_SYNC_NONE
        FC_SPILL_SYNC_INTERVAL
        FC_SPILL_SYNC_BATCH

    struct fc_direct_config:
        const char *client_id
        int codec
        int codec_level
        uint32_t linger_us
        uint32_t batch_bytes_max
        uint64_t buffer_bytes
        uint32_t request_timeout_ms
        uint32_t delivery_timeout_ms
        uint32_t retry_backoff_ms
        uint32_t retry_backoff_max_ms
        const char *spill_directory
        uint64_t spill_bytes_max
        fc_spill_sync spill_sync

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
        fc_partition_choice partition
        fc_producer_kind producer
        fc_direct_config direct
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
        uint64_t recovered
        uint64_t spilled
        uint64_t delivered
        uint64_t failed
        uint64_t abandoned
        uint64_t bytes
        uint64_t batches
        uint64_t retries
        uint64_t spill_written
        uint64_t spill_replayed
        uint64_t spill_refusals
        uint64_t buffer_permille

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
        uint64_t cpu_time_ns
        uint64_t ring_queued
        uint64_t longest_gap_ns
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
        uint64_t no_mbuf_waits
        uint64_t unfetched
        uint64_t clock_steps
        char *clock

    struct fc_broker_row:
        int32_t node
        bint connected
        uint64_t round_trip_ns
        uint64_t answers

    enum fc_direct_need:
        FC_NEED_CONNECTION
        FC_NEED_TOPIC
        FC_NEED_PRODUCER_ID

    struct fc_direct_ask:
        fc_direct_need need
        uint16_t worker
        int32_t node
        int32_t partition
        int16_t error
        char *reason

    struct fc_transport:
        pass

    struct fc_device_info:
        char *driver
        char *mac
        uint16_t rx_queues_max
        uint16_t rx_descriptors_min
        uint16_t rx_descriptors_max
        uint16_t rx_descriptors_align
        uint16_t mtu_max
        uint32_t frame_bytes_max
        uint8_t hash_key_bytes
        uint16_t reta_entries
        int numa_node
        bint link_up
        uint32_t speed_mbps
        char *hash_types
        char *rx_offloads

    struct fc_xstat:
        char *name
        uint64_t value

    struct fc_pipeline:
        pass

    const char *fc_last_error()
    int fc_last_errno()
    const char *fc_versions()
    int fc_eal_start(int argc, char **argv)
    int fc_eal_confine(uint64_t keep)
    uint64_t fc_cycles_per_second()
    int fc_device_describe(const char *devargs, fc_device_info *info)
    int fc_filter_check(const char *expression, bint in_kernel)
    int fc_property_check(const char *key, const char *value)
    fc_pipeline *fc_pipeline_create(const fc_pipeline_config *config)
    int fc_pipeline_add_source(fc_pipeline *p, const fc_source_config *config)
    int fc_pipeline_start(fc_pipeline *p, const fc_placement *placement)
    void fc_pipeline_stop(fc_pipeline *p, uint64_t timeout_ms)
    int fc_pipeline_change(fc_pipeline *p, const char *filter, uint32_t snaplen)
    size_t fc_pipeline_changing(fc_pipeline *p)
    size_t fc_pipeline_workers(fc_pipeline *p, fc_worker_row *rows, size_t max)
    size_t fc_pipeline_sources(fc_pipeline *p, fc_source_row *rows, size_t max)
    size_t fc_pipeline_brokers(fc_pipeline *p, fc_broker_row *rows, size_t max)
    void fc_pipeline_watch(fc_pipeline *p)
    size_t fc_pipeline_xstats(fc_pipeline *p, uint16_t source, fc_xstat *rows, size_t max)
    int fc_pipeline_event(fc_pipeline *p, char *text, size_t size)
    int fc_pipeline_direct_next(fc_pipeline *p, fc_direct_ask *ask)
    int fc_pipeline_direct_topic(
        fc_pipeline *p, const int32_t *leaders, int32_t partitions, uint32_t batch_bytes_max)
    int fc_pipeline_direct_producer_id(fc_pipeline *p, uint16_t worker, int64_t producer_id, int16_t epoch)
    int fc_pipeline_direct_connection(
        fc_pipeline *p, uint16_t worker, int32_t node, fc_transport *transport, int16_t version)
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
