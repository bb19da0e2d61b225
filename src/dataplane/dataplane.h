// The data plane's one public header: the boundary between the control plane (Python) and the per-packet path (C).
//
// It is crossed about once a second, never per packet. Unless a function says otherwise, call it from the one control
// thread. Functions that can fail return 0 or -errno, or NULL, and leave a sentence for the user in fc_last_error().
// Strings and arrays passed in are borrowed for the call; the data plane copies what it keeps.
#ifndef FC_DATAPLANE_H
#define FC_DATAPLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- configuration ------------------------------------------------------------------------------------------------

enum fc_source_kind {
	FC_SOURCE_FILE,      // capture file: pcap or pcapng, through libpcap
	FC_SOURCE_INTERFACE, // kernel interface, through libpcap on AF_PACKET
	FC_SOURCE_ETHDEV,    // DPDK device
	FC_SOURCE_MEMORY,    // frames made at open, given as fast as they are taken: for measuring
};

struct fc_source_config {
	enum fc_source_kind kind;
	const char *name; // file: path; interface: its name; ethdev: devargs; memory: any
	uint16_t rx_queues;
	uint16_t rx_descriptors; // ethdev: descriptors of each queue
	uint32_t buffer_bytes;   // interface: the kernel's ring buffer of each queue
	uint32_t snaplen;        // bytes kept of a frame
	uint32_t mbufs;          // packet buffers for this source, all queues together
	uint32_t frame_bytes;    // memory: of each frame
	uint64_t packets;        // memory: how many there are, all queues together
	int numa_node;           // of its packet buffers and rings; -1: any. A DPDK device knows its own
	bool promiscuous;
	bool timestamps_now; // file: stamp with the current time instead of the file's
	bool backoff;        // its workers sleep when idle instead of spinning (see thread.h)
	// interface: pcap-filter(7) of packets that are never wanted (the probe's own traffic); NULL or "": none
	const char *exclude;
};

enum fc_producer_kind {
	FC_PRODUCER_LIBRDKAFKA,
	FC_PRODUCER_DIRECT, // record batches straight from the ring; its control side connects and authenticates
};

// Which partition a packet goes to.
enum fc_partition_choice {
	FC_PARTITION_STICKY, // one batch for one partition, then the next
	FC_PARTITION_FLOW,   // by the symmetric hash of its addresses, protocol and ports
	FC_PARTITION_QUEUE,  // by rx queue
	FC_PARTITION_KEY,    // by Kafka's own hash of the key
};

// When spilled batches are forced to the disk.
enum fc_spill_sync {
	FC_SPILL_SYNC_NONE,     // when the kernel likes
	FC_SPILL_SYNC_INTERVAL, // once a second, and before much has gathered
	FC_SPILL_SYNC_BATCH,    // each before its memory is free
};

// Of the direct producer.
struct fc_direct_config {
	const char *client_id;
	int codec;                    // enum fc_codec, the codec's number in a record batch: 0 none, 3 lz4, 4 zstd
	int codec_level;              // 0: the codec's default
	uint32_t linger_us;           // a batch waits at most so long for more packets
	uint32_t batch_bytes_max;     // at most; never more than the topic takes
	uint64_t buffer_bytes;        // batches of one tx worker: open, queued and in flight
	uint32_t request_timeout_ms;  // a broker that does not answer for so long is gone
	uint32_t delivery_timeout_ms; // a batch that is not acknowledged by then has failed; 0: never
	uint32_t retry_backoff_ms;    // before the same batch is sent again; doubles, with jitter, up to ..
	uint32_t retry_backoff_max_ms;
	const char *spill_directory; // for batches that Kafka does not take in time; NULL or "": none
	uint64_t spill_bytes_max;    // in it, of all tx workers together
	enum fc_spill_sync spill_sync;
};

struct fc_pipeline_config {
	uint16_t rx_burst;    // packets asked for in one fetch
	uint16_t rx_attempts; // fetches in a row while they come back full
	uint32_t tx_ring;     // packets that a tx ring holds, a power of two
	uint16_t tx_workers;  // per ring
	uint16_t tx_burst;    // packets taken from the ring at once
	uint64_t count;       // stop after so many packets that passed the filter; 0: no limit
	const char *filter;   // pcap-filter(7); NULL or "": every packet
	bool headers;         // message headers: source, queue, sequence, time, original length
	// Kafka
	const char *topic;
	int32_t partitions;       // of the topic
	uint32_t value_bytes_max; // the largest frame the topic takes; a larger one is refused
	enum fc_partition_choice partition;
	enum fc_producer_kind producer;
	struct fc_direct_config direct;
	const char *const *properties; // key, value, key, value, ... for librdkafka
	size_t property_count;         // pairs
};

// CPUs of the workers, in the order rx worker of queue 0, its tx workers, rx worker of queue 1, ...; -1: not pinned.
struct fc_placement {
	const int *cpus;
	size_t count;
};

// ---- counters: one row per worker -----------------------------------------------------------------------------------

enum fc_role { FC_ROLE_RX, FC_ROLE_TX };

enum fc_state {
	FC_STATE_RUNNING,
	FC_STATE_DRAINING, // no more input: emptying what it has
	FC_STATE_DONE,     // thread has ended
};

struct fc_rx_counters {
	uint64_t in;              // packets fetched from the source
	uint64_t out;             // packets put into the tx ring
	uint64_t bytes;           // of the packets in `out`, after snaplen
	uint64_t filtered;        // did not match the filter
	uint64_t truncated;       // cut to snaplen (packets in `out` or `ring_full_drops`)
	uint64_t time_clamped;    // CreateTime set to now because it was too far ahead
	uint64_t ring_full_drops; // did not fit into the tx ring
	uint64_t full_bursts;     // fetches that came back full
};

struct fc_tx_counters {
	uint64_t in;             // packets taken from the ring
	uint64_t held;           // gauge: taken, not yet accepted by the producer
	uint64_t refused;        // can never be sent: larger than the topic allows
	uint64_t kafka_in;       // accepted by the producer
	uint64_t recovered;      // found on the disk, of an earlier run: they come in here too
	uint64_t spilled;        // gauge: on the disk, and not read back
	uint64_t delivered;      // acknowledged by Kafka
	uint64_t failed;         // given up, `abandoned` among them
	uint64_t abandoned;      // given up because the drain's time was over
	uint64_t bytes;          // of the values in kafka_in
	uint64_t batches;        // Produce requests sent (up to a fifth of a second behind while running)
	uint64_t retries;        // messages sent again (likewise)
	uint64_t spill_written;  // ever, by this run
	uint64_t spill_replayed; // read back
	uint64_t spill_refusals; // times that writing stopped: no room in spill_bytes_max, or the disk has failed
	// gauge: how much of what the producer may hold for Kafka is in use: direct, its batches; librdkafka, its queue
	uint64_t buffer_permille;
};

struct fc_worker_row {
	enum fc_role role;
	enum fc_state state;
	bool failed;     // its source ended with an error, or its producer is beyond repair: see the events
	uint16_t source; // index, in the order of fc_pipeline_add_source
	uint16_t queue;  // of that source
	uint16_t worker; // tx: index among the workers of that ring
	int cpu;         // -1: not pinned
	uint64_t busy_cycles, total_cycles;
	uint64_t cpu_time_ns; // user and system time of its thread, once that has ended
	uint64_t ring_queued; // gauge, rx rows: packets in this queue's tx ring
	// rx rows: the longest time from one fetch to the next, sleep and the wait for room (of a file) among it
	uint64_t longest_gap_ns;
	bool losses_known; // rx rows: the source counts its losses per queue, in ..
	uint64_t missed, errors, no_mbuf;
	struct fc_rx_counters rx; // rx rows
	struct fc_tx_counters tx; // tx rows
};

struct fc_source_row {
	uint64_t in; // what arrived at the source, as far as it reports
	uint64_t missed;
	uint64_t errors;
	uint64_t no_mbuf;
	uint64_t no_mbuf_waits; // DPDK: times that there was no buffer and the packet was left in the device's queue
	uint64_t unfetched;     // DPDK: counted by the device after the last fetch; not in `in`
	uint64_t clock_steps;   // of the system clock since the start, where it is what stamps the packets
	char clock[48];         // which clock stamps its packets
};

// One broker as one tx worker sees it.
struct fc_broker_row {
	int32_t node;
	bool connected;
	uint64_t round_trip_ns; // sum over ..
	uint64_t answers; // direct: answered Produce requests, from their first byte on; librdkafka: requests of any
			  // kind
};

enum { FC_XSTAT_NAME_BYTES = 64 };

// One of DPDK's extended statistics, as the driver names it.
struct fc_xstat {
	char name[FC_XSTAT_NAME_BYTES];
	uint64_t value;
};

// ---- what a DPDK device says of itself
// -------------------------------------------------------------------------------

struct fc_device_info {
	char driver[64];
	char mac[18];
	uint16_t rx_queues_max;
	uint16_t rx_descriptors_min, rx_descriptors_max, rx_descriptors_align; // max 0: the driver names no limit
	uint16_t mtu_max;
	uint32_t frame_bytes_max;
	uint8_t hash_key_bytes; // of RSS; 0: the key cannot be set
	uint16_t reta_entries;  // RSS redirection table; 0: there is none
	int numa_node;          // -1: not known
	bool link_up;           // many devices know only once they are started
	uint32_t speed_mbps;    // 0: not known
	char hash_types[512];   // packet types it can hash for RSS, words with a space between them
	char rx_offloads[512];  // DPDK's names, likewise
};

// ---- functions ------------------------------------------------------------------------------------------------------

struct fc_pipeline;

// The last error of the calling thread, one sentence without a full stop. Any thread. Valid until its next failing
// call.
const char *fc_last_error(void);
// The positive errno that came with it, for functions that return a pointer.
int fc_last_errno(void);

// Names and versions of the libraries below us, with a comma between them. Any thread; valid until its next call.
const char *fc_versions(void);

// Starts DPDK's EAL, once per process; argv as rte_eal_init() takes it, borrowed for the process's life.
int fc_eal_start(int argc, char **argv);

// Leaves the threads that the EAL has made no capabilities but `keep`, 1 << CAP_...; workers and all that the pipeline
// makes keep no more than they need anyway. After the last source has been added.
int fc_eal_confine(uint64_t keep);

// Cycles of the workers' counters in a second; after the EAL has started. Any thread.
uint64_t fc_cycles_per_second(void);

// Opens the device that `devargs` name, fills `info` and closes the device again. After fc_eal_start(), in a process
// that captures nothing.
int fc_device_describe(const char *devargs, struct fc_device_info *info);

// Checks without an EAL, for the supervisor; any thread. 0, or -EINVAL. `in_kernel`: for kernel interfaces only.
int fc_filter_check(const char *expression, bool in_kernel);
int fc_property_check(const char *key, const char *value);

// An empty pipeline, or NULL. The caller owns it until fc_pipeline_close().
struct fc_pipeline *fc_pipeline_create(const struct fc_pipeline_config *config);

// Opens a source; nothing is received before fc_pipeline_start().
int fc_pipeline_add_source(struct fc_pipeline *p, const struct fc_source_config *config);

// Makes the producers (they connect in the background) and starts the workers, tx before rx. On an error nothing runs;
// close the pipeline.
int fc_pipeline_start(struct fc_pipeline *p, const struct fc_placement *placement);

// Begins (or shortens) the drain: rx workers stop, rings run empty, producers flush. What is not acknowledged after
// `timeout_ms` is counted as failed and abandoned. Returns at once; 0 gives up at once. Any thread.
void fc_pipeline_stop(struct fc_pipeline *p, uint64_t timeout_ms);

// Gives all rx workers another filter (pcap-filter(7), "" for all) and snaplen, each from one of its next bursts on; a
// packet that had arrived before is filtered as before. Nothing is lost by it but what the filter drops. 0; -EAGAIN:
// the last change has not reached all workers, or an interface is away: call again; other -errno: it cannot be. On an
// error nothing has changed. Control thread.
int fc_pipeline_change(struct fc_pipeline *p, const char *filter, uint32_t snaplen);

// Returns how many rx workers the last change has not reached yet. Frees what the others do not use any more: call it
// until it is 0. Control thread.
size_t fc_pipeline_changing(struct fc_pipeline *p);

// Returns how many workers (sources) there are, and fills the rows if they fit into `max`. Counters of a running
// pipeline are read downstream first, so that, gauges apart, never more goes out of a hop than came in.
size_t fc_pipeline_workers(struct fc_pipeline *p, struct fc_worker_row *rows, size_t max);
size_t fc_pipeline_sources(struct fc_pipeline *p, struct fc_source_row *rows, size_t max);

// Returns how many rows there are, one for each broker that a tx worker knows, and fills in at most `max` of them.
size_t fc_pipeline_brokers(struct fc_pipeline *p, struct fc_broker_row *rows, size_t max);

// Looks after what changes slowly, and says in the events what is new: steps of the system clock in every call; links
// and the clocks of devices about once a second. Call it as often as you look at the workers.
void fc_pipeline_watch(struct fc_pipeline *p);

// Returns how many extended statistics of a source are not 0, and fills in at most `max` of them.
size_t fc_pipeline_xstats(struct fc_pipeline *p, uint16_t source, struct fc_xstat *rows, size_t max);

// Copies the oldest unread event (a source's failure, a message of the Kafka library), NUL-terminated, into `text`.
// Returns its syslog level, or -1 when there is none. Any thread.
int fc_pipeline_event(struct fc_pipeline *p, char *text, size_t size);

// ---- the direct producer's control side -----------------------------------------------------------------------------
//
// The data plane never connects, resolves a name or authenticates: it asks, and the control side answers. Tx workers
// are numbered over all rings, in the order of their rows.

enum { FC_DIRECT_REASON_BYTES = 200 };

enum fc_direct_need {
	FC_NEED_CONNECTION,  // a connection to broker `node`: there is none, or it is gone; until one is attached
	FC_NEED_TOPIC,       // fresh metadata: a broker does not lead `partition`, or found a batch too large
	FC_NEED_PRODUCER_ID, // a producer id: the worker's is not valid any more
};

struct fc_direct_ask {
	enum fc_direct_need need;
	uint16_t worker;
	int32_t node;      // FC_NEED_CONNECTION
	int32_t partition; // FC_NEED_TOPIC
	int16_t error;     // Kafka's code that made it necessary, or 0
	// For the log: why a connection was lost, what a broker said; "" when there is nothing to say.
	char reason[FC_DIRECT_REASON_BYTES];
};

struct fc_transport; // producer/transport.h

// The next ask of a worker: 1, and `ask` is filled; 0: there is none.
int fc_pipeline_direct_next(struct fc_pipeline *p, struct fc_direct_ask *ask);

// Publishes the topic's metadata to all workers: `leaders` are `partitions` node ids, -1 for a partition without one.
// `batch_bytes_max` is the topic's max.message.bytes. The number of partitions may grow and never shrinks. Has to be
// called once before fc_pipeline_start(), and after each FC_NEED_TOPIC even if nothing has changed: it is the answer.
int fc_pipeline_direct_topic(
	struct fc_pipeline *p, const int32_t *leaders, int32_t partitions, uint32_t batch_bytes_max);

// Gives a worker its producer id and epoch (InitProducerId). Each worker needs one of its own. 0, or -EAGAIN: later.
int fc_pipeline_direct_producer_id(struct fc_pipeline *p, uint16_t worker, int64_t producer_id, int16_t epoch);

// Gives a worker a connection to a broker: authenticated, nothing in flight, Produce requests in `version`. It replaces
// the one that the worker has as soon as nothing is in flight on that one any more (for re-authentication: make the new
// one before the session ends). 0: the worker owns the transport; -EAGAIN: later, the transport is still the caller's.
int fc_pipeline_direct_connection(
	struct fc_pipeline *p, uint16_t worker, int32_t node, struct fc_transport *transport, int16_t version);

// Ends the workers (giving up what is left), closes sources and producers and frees everything. Returns how many packet
// buffers did not come back to their pools: other than 0 is a defect of ours.
uint64_t fc_pipeline_close(struct fc_pipeline *p);

#endif
