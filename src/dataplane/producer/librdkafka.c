// Producer: librdkafka. Every feature and security mechanism of that library; one client, with its own connections,
// queue and threads, per tx worker.
//
// The library copies each value once at produce: the packet buffer goes back to its pool at once, so that a slow
// Kafka never starves the receiving side of buffers (what the other way costs was measured: ARCHITECTURE.md).
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <rte_byteorder.h>
#include <stdlib.h>
#include <syslog.h>

#include "../clock.h"
#include "../error.h"
#include "../packet.h"
#include "../stats/counter.h"
#include "library_stats.h"
#include "partitioner.h"
#include "producer.h"
#include "properties.h"
#include "sticky.h"

enum {
	FC_KEY_BYTES = 8,
	ABANDON_TIMEOUT_MS = 5000,
	// Twice statistics.interval.ms and some, see properties.c.
	STATS_TIMEOUT_MS = 500,
};

struct client {
	struct fc_producer base; // first: the public part
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	struct fc_sticky sticky;
	bool headers;                       // messages have some
	struct fc_message_headers origin;   // what is the same in all of them
	enum fc_partition_choice partition; // who decides about it
	uint16_t lane;
	uint32_t value_bytes_max;
	uint64_t queue_max; // messages that the library holds at most; known here, it saves asking a full queue
	uint8_t *scratch;   // for packets in several segments: FC_FRAME_BYTES_MAX

	// Writer and reader: the worker's thread, in callbacks under rd_kafka_poll() and rd_kafka_flush().
	uint64_t delivered, failed, abandoned; // since the last settle()
	bool abandoning;
	uint64_t stats_seen;
	rd_kafka_resp_err_t last_failure;
};

// ---- callbacks ------------------------------------------------------------------------------------------------------

static void on_failure(struct client *c, rd_kafka_resp_err_t error)
{
	c->failed++;
	// Purged by us, or by the library after a fatal error.
	if (c->abandoning && (error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT))
		c->abandoned++;
	else if (error != c->last_failure)
		fc_event(c->base.events, LOG_ERR, "Kafka did not take packets: %s", rd_kafka_err2str(error));
	c->last_failure = error;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct client *c = opaque;

	(void)rk;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		on_failure(c, message->err);
		return;
	}
	c->delivered++;
	c->last_failure = RD_KAFKA_RESP_ERR_NO_ERROR; // the next outage is worth a line again
}

// How full the library's queue is: it is bounded in messages and in bytes.
static uint64_t queue_permille(const char *json, size_t length)
{
	uint64_t messages_max = fc_library_stats_sum(json, length, "msg_max"); // 0: no limit
	uint64_t bytes_max = fc_library_stats_sum(json, length, "msg_size_max");
	uint64_t messages = fc_library_stats_sum(json, length, "msg_cnt");
	uint64_t bytes = fc_library_stats_sum(json, length, "msg_size");
	uint64_t of_messages = messages_max > 0 ? messages * 1000 / messages_max : 0;
	uint64_t of_bytes = bytes_max > 0 ? bytes * 1000 / bytes_max : 0;

	return RTE_MIN(RTE_MAX(of_messages, of_bytes), UINT64_C(1000));
}

static void count_brokers(struct client *c, const char *json, size_t length)
{
	const char *at = json;
	struct fc_library_broker broker;

	while (fc_library_stats_broker(&at, json + length, &broker)) {
		struct fc_broker_counters *counters = fc_broker_table_row(&c->base.brokers, broker.node);

		if (counters == NULL)
			return;
		fc_counter_set(&counters->connected, broker.connected);
		fc_counter_add(&counters->round_trip_ns, broker.round_trip_us * FC_NS_PER_US);
		fc_counter_add(&counters->answers, broker.answers);
	}
}

static int on_stats(rd_kafka_t *rk, char *json, size_t length, void *opaque)
{
	struct client *c = opaque;

	(void)rk;
	fc_counter_set(&c->base.counters->buffer_permille, queue_permille(json, length));
	count_brokers(c, json, length);
	fc_counter_set(&c->base.counters->batches, fc_library_stats_sum(json, length, "Produce"));
	fc_counter_set(&c->base.counters->retries, fc_library_stats_sum(json, length, "txretries"));
	c->stats_seen++;
	return 0; // the library frees it
}

static void on_error(rd_kafka_t *rk, int error, const char *reason, void *opaque)
{
	struct client *c = opaque;

	(void)rk;
	fc_event(c->base.events, LOG_WARNING, "Kafka: %s: %s", rd_kafka_err2str((rd_kafka_resp_err_t)error), reason);
	if (error == RD_KAFKA_RESP_ERR__FATAL)
		c->base.broken = true;
}

// Called by the library's own threads.
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const struct client *c = rd_kafka_opaque(rk);

	fc_event(c->base.events, level, "librdkafka %s: %s", facility, text);
}

// ---- the interface --------------------------------------------------------------------------------------------------

static unsigned settle(struct client *c)
{
	unsigned settled = (unsigned)(c->delivered + c->failed);

	fc_counter_add(&c->base.counters->delivered, c->delivered);
	fc_counter_add(&c->base.counters->abandoned, c->abandoned);
	fc_counter_add(&c->base.counters->failed, c->failed);
	c->delivered = c->failed = c->abandoned = 0;
	return settled;
}

// The library copies names and values.
static rd_kafka_resp_err_t produce_with_headers(
	struct client *c, struct rte_mbuf *m, int32_t partition, const void *value, uint64_t key, int64_t create_ms)
{
	const struct fc_packet *packet = fc_packet(m);
	uint16_t queue = rte_cpu_to_be_16(c->origin.queue);
	uint64_t sequence = rte_cpu_to_be_64(packet->sequence);
	uint64_t time_ns = rte_cpu_to_be_64(packet->time_ns);
	uint32_t original_bytes = rte_cpu_to_be_32(packet->original_bytes);

	return rd_kafka_producev(c->rk, RD_KAFKA_V_RKT(c->topic), RD_KAFKA_V_PARTITION(partition),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(&key, sizeof key),
		RD_KAFKA_V_VALUE((void *)(uintptr_t)value, m->pkt_len), RD_KAFKA_V_TIMESTAMP(create_ms),
		RD_KAFKA_V_HEADER("if", c->origin.interface, c->origin.interface_bytes),
		RD_KAFKA_V_HEADER("q", &queue, sizeof queue), RD_KAFKA_V_HEADER("seq", &sequence, sizeof sequence),
		RD_KAFKA_V_HEADER("ns", &time_ns, sizeof time_ns),
		RD_KAFKA_V_HEADER("len", &original_bytes, sizeof original_bytes), RD_KAFKA_V_END);
}

// One packet into the library's queue, by copy. `now_ms` is its CreateTime when its own would be rejected.
static rd_kafka_resp_err_t produce(struct client *c, struct rte_mbuf *m, int32_t partition, int64_t now_ms)
{
	const struct fc_packet *packet = fc_packet(m);
	uint64_t time_us = packet->time_ns / FC_NS_PER_US;
	uint64_t key = rte_cpu_to_be_64(time_us);
	int64_t create_ms = packet->create_time_now ? now_ms : (int64_t)(time_us / 1000);
	const void *value = rte_pktmbuf_read(m, 0, m->pkt_len, c->scratch); // no copy when it is one segment

	// The library takes 0 for "now": a frame from the first millisecond of 1970 gets the second one.
	if (create_ms == 0)
		create_ms = 1;
	if (c->headers)
		return produce_with_headers(c, m, partition, value, key, create_ms);
	return rd_kafka_producev(c->rk, RD_KAFKA_V_RKT(c->topic), RD_KAFKA_V_PARTITION(partition),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(&key, sizeof key),
		RD_KAFKA_V_VALUE((void *)(uintptr_t)value, m->pkt_len), RD_KAFKA_V_TIMESTAMP(create_ms),
		RD_KAFKA_V_END);
}

static int32_t choose(struct client *c, struct rte_mbuf *m, uint64_t now_ns)
{
	if (c->partition == FC_PARTITION_STICKY)
		return fc_sticky_partition(&c->sticky, m->pkt_len, now_ns);
	return fc_partition_choose(
		c->partition, m, fc_packet(m)->time_ns / FC_NS_PER_US, c->lane, c->sticky.partitions);
}

static uint16_t librdkafka_send_burst(struct fc_producer *p, struct rte_mbuf **packets, uint16_t n)
{
	struct client *c = (struct client *)p;
	struct fc_tx_counters *counters = p->counters;
	uint64_t room = c->queue_max - RTE_MIN(c->queue_max, fc_producer_in_flight(p));
	uint64_t accepted = 0, refused = 0, bytes = 0;
	int64_t now_ms = (int64_t)(fc_now_ns() / FC_NS_PER_MS);
	uint64_t monotonic_ns = (uint64_t)fc_monotonic_ns();
	uint16_t k;

	for (k = 0; k < n; k++) {
		struct rte_mbuf *m = packets[k];
		rd_kafka_resp_err_t error;

		if (k + 2 < n)
			rte_prefetch0(rte_pktmbuf_mtod(packets[k + 2], void *));
		if (m->pkt_len > c->value_bytes_max) {
			refused++;
			rte_pktmbuf_free(m);
			continue;
		}
		if (accepted == room)
			break;
		error = produce(c, m, choose(c, m, monotonic_ns), now_ms);
		if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		accepted++;
		bytes += m->pkt_len;
		if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
			on_failure(c, error); // the client is beyond repair: nothing is kept for later
		rte_pktmbuf_free(m);
	}
	fc_counter_add(&counters->refused, refused);
	fc_counter_add(&counters->kafka_in, accepted);
	fc_counter_add(&counters->bytes, bytes);
	return k;
}

static unsigned librdkafka_poll(struct fc_producer *p)
{
	struct client *c = (struct client *)p;

	rd_kafka_poll(c->rk, 0);
	return settle(c);
}

static bool librdkafka_flush(struct fc_producer *p, int timeout_ms)
{
	struct client *c = (struct client *)p;
	int64_t deadline_ns = fc_monotonic_ns() + STATS_TIMEOUT_MS * FC_NS_PER_MS;
	uint64_t seen;

	rd_kafka_flush(c->rk, timeout_ms);
	settle(c);
	if (fc_producer_in_flight(p) > 0)
		return false;
	// The numbers of batches and retries come with the library's next statistics.
	for (seen = c->stats_seen; c->stats_seen == seen && fc_monotonic_ns() < deadline_ns;)
		rd_kafka_poll(c->rk, 50);
	return true;
}

static void librdkafka_abandon(struct fc_producer *p)
{
	struct client *c = (struct client *)p;
	int64_t deadline_ns = fc_monotonic_ns() + ABANDON_TIMEOUT_MS * FC_NS_PER_MS;
	uint64_t left;

	c->abandoning = true;
	// A broker thread that resolves a name may be busy for half a minute: do not wait for it.
	rd_kafka_purge(c->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	while (fc_producer_in_flight(p) > 0 && fc_monotonic_ns() < deadline_ns) {
		rd_kafka_poll(c->rk, 10);
		settle(c);
	}
	left = fc_producer_in_flight(p);
	fc_counter_add(&p->counters->abandoned, left);
	fc_counter_add(&p->counters->failed, left);
}

static void librdkafka_close(struct fc_producer *p)
{
	struct client *c = (struct client *)p;

	if (c->topic != NULL)
		rd_kafka_topic_destroy(c->topic);
	if (c->rk != NULL)
		rd_kafka_destroy(c->rk);
	free(c->scratch);
	free(c);
}

static const struct fc_producer_ops ops = {
	.send_burst = librdkafka_send_burst,
	.poll = librdkafka_poll,
	.flush = librdkafka_flush,
	.abandon = librdkafka_abandon,
	.close = librdkafka_close,
};

static int make_client(struct client *c, const struct fc_pipeline_config *config, const struct fc_producer_place *place)
{
	rd_kafka_conf_t *conf = fc_properties_conf(config);
	char text[512];

	if (conf == NULL)
		return -EINVAL;
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_stats_cb(conf, on_stats);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_log_cb(conf, on_log);
	c->queue_max = (uint64_t)fc_properties_number(conf, "queue.buffering.max.messages");
	if (c->queue_max == 0) // the library's word for no limit; its limit in bytes still holds
		c->queue_max = UINT64_MAX;
	// A frame that never fits into the library's queue would block those behind it for good: it is refused.
	c->value_bytes_max = (uint32_t)RTE_MIN((int64_t)config->value_bytes_max,
		(int64_t)fc_properties_number(conf, "queue.buffering.max.kbytes") * 1024 - FC_KEY_BYTES);
	c->sticky = (struct fc_sticky){
		.partitions = config->partitions,
		.messages_max = (uint32_t)fc_properties_number(conf, "batch.num.messages"),
		.bytes_max = (uint64_t)fc_properties_number(conf, "batch.size"),
		.age_ns_max = (uint64_t)(fc_properties_number(conf, "linger.ms") * FC_NS_PER_MS),
		.partition = place->worker % config->partitions, // workers start apart
	};
	c->partition = config->partition;
	c->lane = place->lane;
	c->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (c->rk == NULL) {
		rd_kafka_conf_destroy(conf); // a failed rd_kafka_new() leaves it with us
		return fc_error(EINVAL, "cannot make a Kafka client: %s", text);
	}
	c->topic = rd_kafka_topic_new(c->rk, config->topic, NULL);
	if (c->topic == NULL)
		return fc_error(EINVAL, "topic '%s': %s", config->topic, rd_kafka_err2str(rd_kafka_last_error()));
	return 0;
}

struct fc_producer *fc_producer_librdkafka(const struct fc_pipeline_config *config,
	const struct fc_producer_place *place, struct fc_tx_counters *counters, struct fc_events *events)
{
	struct client *c = calloc(1, sizeof *c);

	if (c == NULL) {
		fc_error(ENOMEM, "out of memory");
		return NULL;
	}
	c->base = (struct fc_producer){.ops = &ops, .counters = counters, .events = events};
	c->headers = config->headers;
	c->origin = place->origin;
	c->scratch = malloc(FC_FRAME_BYTES_MAX);
	if (c->scratch == NULL)
		fc_error(ENOMEM, "out of memory");
	if (c->scratch == NULL || make_client(c, config, place) != 0) {
		librdkafka_close(&c->base);
		return NULL;
	}
	return &c->base;
}
