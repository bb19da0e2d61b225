// Rx workers, rings, tx workers and direct producers as the pipeline wires them, without an EAL: a source of numbered
// frames, and a broker on 127.0.0.1 whose port is the first argument. This thread is the control side.
//
// The second argument is how it ends: "end" (the source does), "drain" or "abandon" (in the middle); the third one how
// many tx workers share a ring. Prints how many packets were delivered.
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "memory_pool.h"
#include "packet.h"
#include "producer/direct.h"
#include "rx/rx_worker.h"
#include "stats/counter.h"
#include "tx/tx_worker.h"

enum {
	LANES = 2,
	TX_PER_LANE_MAX = 2,
	FRAMES = 10000, // of each lane
	FRAME_BYTES = 64,
	BUFFERS = 2048,
	RING = 256,
	PARTITIONS = 3,
	NODE = 1,
	PRODUCE_VERSION = 7,
	BATCH_BYTES = 16384,
	LOOK_US = 500,
	CHANGES = 20,        // of the rules, in each lane
	REPLACE_LOOKS = 200, // a new connection in place of one that works, as for re-authentication
	PATIENCE_S = 120,
};

struct lane {
	struct fc_rx_worker rx;
	struct fc_tx_worker tx[TX_PER_LANE_MAX];
	struct fc_source source;
	uint32_t next;            // number of the frame; the rx worker only
	_Atomic unsigned changes; // of its rules; writer: the control thread; relaxed, so that it orders nothing
	pthread_t threads[1 + TX_PER_LANE_MAX];
};

static struct lane *lanes;
static struct rte_mempool *pool;
static struct fc_topic topic;
static struct fc_events events;
static struct fc_rx_budget budget;
static atomic_bool stop;
static _Atomic int64_t give_up_ns = INT64_MAX;
static uint16_t port;
static unsigned tx_per_lane;
static char no_filter[] = "";

// ---- the source -----------------------------------------------------------------------------------------------------

static int source_burst(struct fc_source *s, uint16_t queue, struct rte_mbuf **packets, uint16_t n)
{
	struct lane *lane = s->state;
	uint16_t count = (uint16_t)RTE_MIN(n, FRAMES - lane->next), k;

	// The rules change many times on the way, however slow the control thread is.
	if (lane->next < FRAMES &&
		lane->next / (FRAMES / CHANGES) > atomic_load_explicit(&lane->changes, memory_order_relaxed))
		return 0;
	if (count == 0)
		return FC_RX_END;
	if (rte_pktmbuf_alloc_bulk(pool, packets, count) != 0)
		return 0;
	for (k = 0; k < count; k++) {
		uint32_t number = htonl(queue * FRAMES + lane->next++);
		char *frame = rte_pktmbuf_append(packets[k], FRAME_BYTES);

		memset(frame, 0, FRAME_BYTES);
		memcpy(frame, &number, sizeof number);
		*fc_packet(packets[k]) = (struct fc_packet){.time_ns = 1000, .original_bytes = FRAME_BYTES};
	}
	return count;
}

static void source_stop(struct fc_source *s, uint16_t queue)
{
	(void)queue;
	((struct lane *)s->state)->next = FRAMES;
}

static const struct fc_source_ops source_ops = {.rx_burst = source_burst, .stop_intake = source_stop};

// ---- threads --------------------------------------------------------------------------------------------------------

static void *rx_main(void *arg)
{
	struct fc_rx_worker *w = arg;

	fc_rx_worker_main(w);
	atomic_store(&w->thread.state, FC_STATE_DONE);
	return NULL;
}

static void *tx_main(void *arg)
{
	struct fc_tx_worker *w = arg;

	fc_tx_worker_main(w);
	atomic_store(&w->thread.state, FC_STATE_DONE);
	return NULL;
}

static struct rte_ring *make_ring(void)
{
	unsigned flags = RING_F_SP_ENQ | RING_F_EXACT_SZ | (tx_per_lane == 1 ? RING_F_SC_DEQ : 0); // as tx_ring.c
	struct rte_ring *ring = aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)rte_ring_get_memsize(2 * RING));

	assert(ring != NULL && rte_ring_init(ring, "race", RING, flags) == 0);
	return ring;
}

static void open_lane(struct lane *lane, uint16_t number, const struct fc_pipeline_config *config)
{
	struct rte_ring *ring = make_ring();
	unsigned k;

	lane->source = (struct fc_source){.ops = &source_ops,
		.exclude = no_filter,
		.state = lane,
		.waits = true,
		.stamps = true,
		.events = &events,
		.backoff = true};
	lane->rx = (struct fc_rx_worker){.source = &lane->source,
		.queue = number,
		.burst = 32,
		.attempts = 4,
		.ring = ring,
		.budget = &budget,
		.stop = &stop};
	lane->rx.rules = fc_rx_rules_make(&lane->source, "", FC_FRAME_BYTES_MAX, NULL);
	assert(lane->rx.rules != NULL);
	lane->rx.desk.newest = lane->rx.rules;
	atomic_store(&lane->rx.thread.state, FC_STATE_RUNNING);
	for (k = 0; k < tx_per_lane; k++) {
		struct fc_tx_worker *w = &lane->tx[k];
		struct fc_producer_place place = {.worker = (uint16_t)(number * tx_per_lane + k), .lane = number};

		w->ring = ring;
		w->feeder = &lane->rx.thread;
		w->burst = 64;
		w->index = (uint16_t)k;
		w->backoff = true;
		w->give_up_ns = &give_up_ns;
		w->producer = fc_producer_direct(config, &place, &topic, NULL, &w->counters, &events);
		assert(w->producer != NULL && fc_direct_give_identity(w->producer, 2000 + place.worker, 0));
		assert(pthread_create(&lane->threads[1 + k], NULL, tx_main, w) == 0);
	}
	assert(pthread_create(&lane->threads[0], NULL, rx_main, &lane->rx) == 0);
}

// ---- the control side -----------------------------------------------------------------------------------------------

static void publish(void)
{
	static const int32_t leaders[PARTITIONS] = {NODE, NODE, NODE};

	assert(fc_topic_publish(&topic, leaders, PARTITIONS, 1000000) == 0);
}

static void connect_worker(struct fc_tx_worker *w)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct fc_transport *transport;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
	transport = fc_transport_plain(fd);
	assert(transport != NULL);
	if (!fc_direct_give_connection(w->producer, NODE, transport, PRODUCE_VERSION))
		fc_transport_close(transport); // its mailbox is full; it asks again
}

static void answer(struct fc_tx_worker *w)
{
	struct fc_direct_ask ask;

	while (fc_direct_next_ask(w->producer, &ask)) {
		if (ask.need == FC_NEED_CONNECTION)
			connect_worker(w);
		else if (ask.need == FC_NEED_TOPIC)
			publish();
	}
}

// Other rules, as soon as the worker has turned to the last ones. All of them pass every frame, whole.
static void change_rules(struct lane *lane)
{
	struct fc_rx_rules *rules;

	if (!fc_rx_rules_settled(&lane->rx.desk))
		return;
	rules = fc_rx_rules_make(&lane->source, lane->changes % 2 == 0 ? "less 1000" : "", FRAME_BYTES + lane->changes,
		lane->rx.desk.newest);
	assert(rules != NULL);
	fc_rx_rules_offer(&lane->rx.desk, rules);
	atomic_fetch_add_explicit(&lane->changes, 1, memory_order_relaxed);
}

static uint64_t delivered(void)
{
	uint64_t sum = 0;
	unsigned lane, k;

	for (lane = 0; lane < LANES; lane++)
		for (k = 0; k < tx_per_lane; k++)
			sum += fc_counter_read(&lanes[lane].tx[k].counters.delivered);
	return sum;
}

// As a snapshot does: downstream first.
static bool look(void)
{
	bool all_done = true;
	char text[FC_EVENT_BYTES];
	unsigned lane, k;

	for (lane = 0; lane < LANES; lane++) {
		const struct fc_rx_worker *rx = &lanes[lane].rx;
		uint64_t taken = 0;

		for (k = 0; k < tx_per_lane; k++) {
			const struct fc_tx_worker *tx = &lanes[lane].tx[k];
			uint64_t settled =
				fc_counter_read(&tx->counters.delivered) + fc_counter_read(&tx->counters.failed);

			assert(settled <= fc_counter_read(&tx->counters.kafka_in));
			taken += fc_counter_read(&tx->counters.in);
			all_done = all_done && atomic_load(&tx->thread.state) == FC_STATE_DONE;
		}
		// The ring gives before the rx worker has counted.
		assert(taken <= fc_counter_read(&rx->counters.out) + rx->burst * rx->attempts);
		all_done = all_done && atomic_load(&rx->thread.state) == FC_STATE_DONE;
	}
	while (fc_events_take(&events, text, sizeof text) >= 0)
		fprintf(stderr, "%s\n", text);
	return all_done;
}

static void control(const char *ending)
{
	int64_t deadline_ns = fc_monotonic_ns() + PATIENCE_S * FC_NS_PER_S;
	unsigned looks = 0, lane, k;

	while (!look()) {
		for (lane = 0; lane < LANES; lane++)
			change_rules(&lanes[lane]);
		for (lane = 0; lane < LANES; lane++)
			for (k = 0; k < tx_per_lane; k++) {
				answer(&lanes[lane].tx[k]);
				if (looks % REPLACE_LOOKS == REPLACE_LOOKS - 1)
					connect_worker(&lanes[lane].tx[k]);
			}
		if (looks++ % 8 == 0)
			publish(); // as every five minutes
		if (strcmp(ending, "end") != 0 && delivered() > FRAMES / 4) {
			bool abandon = strcmp(ending, "abandon") == 0;

			atomic_store(&give_up_ns, abandon ? fc_monotonic_ns() : deadline_ns);
			atomic_store(&stop, true);
		}
		assert(fc_monotonic_ns() < deadline_ns);
		usleep(LOOK_US);
	}
}

static void close_lane(struct lane *lane, const char *ending)
{
	uint64_t taken = 0;
	unsigned k;

	for (k = 0; k < 1 + tx_per_lane; k++)
		pthread_join(lane->threads[k], NULL);
	for (k = 0; k < tx_per_lane; k++) {
		const struct fc_tx_counters *c = &lane->tx[k].counters;

		assert(c->in == c->kafka_in && c->held == 0 && c->refused == 0);
		assert(c->kafka_in == c->delivered + c->failed && c->failed == c->abandoned);
		assert(strcmp(ending, "abandon") == 0 || c->failed == 0);
		taken += c->in;
		lane->tx[k].producer->ops->close(lane->tx[k].producer);
	}
	assert(lane->rx.counters.in == lane->rx.counters.out && lane->rx.counters.out == taken);
	assert(strcmp(ending, "end") != 0 || taken == FRAMES);
	free(lane->rx.ring);
	assert(lane->rx.counters.filtered == 0 && lane->rx.counters.truncated == 0);
	assert(strcmp(ending, "end") != 0 || lane->changes >= CHANGES - 1);
	fc_rx_rules_free(lane->rx.rules);
	fc_rx_rules_free(lane->rx.next);
	fc_rx_rules_free(fc_rx_rules_take(&lane->rx.desk));
	fc_rx_rules_free(atomic_load(&lane->rx.desk.returned));
}

int main(int argc, char **argv)
{
	struct fc_pipeline_config config = {
		.topic = "t",
		.partitions = PARTITIONS,
		.value_bytes_max = 900000,
		.producer = FC_PRODUCER_DIRECT,
		.direct =
			{
				.client_id = "race",
				.linger_us = 1000,
				.batch_bytes_max = BATCH_BYTES,
				.buffer_bytes = 2 << 20,
				.request_timeout_ms = 30000,
				.delivery_timeout_ms = 120000,
				.retry_backoff_ms = 10,
				.retry_backoff_max_ms = 100,
			},
	};
	uint16_t k;

	assert(argc == 4);
	port = (uint16_t)atoi(argv[1]);
	tx_per_lane = (unsigned)atoi(argv[3]);
	assert(tx_per_lane >= 1 && tx_per_lane <= TX_PER_LANE_MAX);
	fc_packet_offset = offsetof(struct rte_mbuf, dynfield1);
	fc_events_init(&events);
	assert(fc_topic_open(&topic) == 0);
	publish();
	pool = race_pool(BUFFERS);
	lanes = aligned_alloc(RTE_CACHE_LINE_SIZE, LANES * sizeof *lanes);
	assert(lanes != NULL);
	memset(lanes, 0, LANES * sizeof *lanes);
	for (k = 0; k < LANES; k++)
		open_lane(&lanes[k], k, &config);
	control(argv[2]);
	printf("%lu\n", (unsigned long)delivered());
	for (k = 0; k < LANES; k++)
		close_lane(&lanes[k], argv[2]);
	assert(race_count(pool) == BUFFERS);
	race_pool_free(pool);
	free(lanes);
	fc_topic_close(&topic);
	fc_events_destroy(&events);
	return 0;
}
