#include "library_stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// From memory of exactly that length, so that the address sanitizer sees one byte too many.
static uint64_t sum(const char *json, const char *name)
{
	size_t length = strlen(json);
	char *exact = malloc(length);
	uint64_t result;

	assert(exact != NULL);
	memcpy(exact, json, length);
	result = fc_library_stats_sum(exact, length, name);
	free(exact);
	return result;
}

static void test_brokers(void)
{
	// As librdkafka writes it, in shorter.
	static const char json[] =
		"{ \"brokers\":{ \"h:9092/bootstrap\": { \"nodeid\":-1, \"state\":\"UP\", \"rtt\": { \"sum\":9, "
		"\"cnt\":9 } }, "
		"\"h:9092/7\": { \"nodeid\":7, \"state\":\"UP\", \"int_latency\": { \"sum\":5, \"cnt\":1 } , "
		"\"rtt\": { \"min\":1, \"sum\":4000, \"cnt\":2 } , \"throttle\": { \"sum\":8, \"cnt\":3 } }, "
		"\"i:9092/12\": { \"nodeid\":12, \"state\":\"DOWN\", \"rtt\": { \"sum\":0, \"cnt\":0 } } } }";
	size_t length = strlen(json), cut;
	struct fc_library_broker broker;
	const char *at = json;

	assert(fc_library_stats_broker(&at, json + length, &broker));
	assert(broker.node == 7 && broker.connected && broker.round_trip_us == 4000 && broker.answers == 2);
	assert(fc_library_stats_broker(&at, json + length, &broker));
	assert(broker.node == 12 && !broker.connected && broker.round_trip_us == 0 && broker.answers == 0);
	assert(!fc_library_stats_broker(&at, json + length, &broker));
	// Cut off anywhere: no byte behind the end is read, and it ends.
	for (cut = 0; cut < length; cut++) {
		char *exact = malloc(cut + (cut == 0));

		assert(exact != NULL);
		memcpy(exact, json, cut);
		for (at = exact; fc_library_stats_broker(&at, exact + cut, &broker);)
			assert(broker.node == 7 || broker.node == 12 || broker.node == 1);
		free(exact);
	}
}

int main(void)
{
	test_brokers();
	assert(sum("{ \"brokers\": { \"a\": { \"txretries\":3 }, \"b\": { \"txretries\": 40 } } }", "txretries") == 43);
	assert(sum("{ \"req\": { \"Produce\": 12, \"ProduceOther\": 5 } }", "Produce") == 12);
	assert(sum("{ \"tx\": 7 }", "txretries") == 0);
	assert(sum("\"Produce\": 18446744073709551615", "Produce") == UINT64_MAX);
	assert(sum("{ \"Produce\":", "Produce") == 0); // cut off
	assert(sum("{ \"Produce\":   ", "Produce") == 0);
	assert(sum("{ \"Produce\": 1", "Produce") == 1);
	assert(sum("{ \"Produce\": -1 }", "Produce") == 0);
	assert(fc_library_stats_sum("", 0, "Produce") == 0);
	return 0;
}
