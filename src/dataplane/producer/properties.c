#include "properties.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

struct property {
	const char *key, *value;
};

// What suits packets better than the library's own defaults; the user may change them.
static const struct property defaults[] = {
	{"client.id", "fastcapa"},
	{"enable.idempotence", "true"}, // acks=all and no duplicates, at the price of five requests in flight
	{"linger.ms", "50"},            // small frames fill a large batch only with time
	{"batch.num.messages", "100000"},
	{"queue.buffering.max.messages", "100000"},
	{"queue.buffering.max.kbytes", "65536"},
};

// What the pipeline counts on; refused when the user sets it.
static const struct property fixed[] = {
	{"statistics.interval.ms", "200"}, // batches and retries come from there
	{"delivery.report.only.error", "false"},
};

static bool is_fixed(const char *key)
{
	size_t k;

	for (k = 0; k < sizeof fixed / sizeof *fixed; k++)
		if (strcmp(fixed[k].key, key) == 0)
			return true;
	return false;
}

// The value may be a password: the library's own text does not repeat it for unknown keys, and we never do.
static int set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char text[512];

	if (rd_kafka_conf_set(conf, key, value, text, sizeof text) != RD_KAFKA_CONF_OK)
		return fc_error(EINVAL, "Kafka property '%s': %s", key, text);
	return 0;
}

rd_kafka_conf_t *fc_properties_conf(const struct fc_pipeline_config *config)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int error = 0;
	size_t k;

	for (k = 0; error == 0 && k < sizeof defaults / sizeof *defaults; k++)
		error = set(conf, defaults[k].key, defaults[k].value);
	for (k = 0; error == 0 && k < config->property_count; k++)
		error = set(conf, config->properties[2 * k], config->properties[2 * k + 1]);
	for (k = 0; error == 0 && k < sizeof fixed / sizeof *fixed; k++)
		error = set(conf, fixed[k].key, fixed[k].value);
	if (error != 0) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	return conf;
}

double fc_properties_number(const rd_kafka_conf_t *conf, const char *name)
{
	char value[64] = "";
	size_t size = sizeof value;

	rd_kafka_conf_get(conf, name, value, &size);
	return strtod(value, NULL);
}

int fc_property_check(const char *key, const char *value)
{
	rd_kafka_conf_t *conf;
	int error;

	if (is_fixed(key))
		return fc_error(EINVAL, "Kafka property '%s' is set by fastcapa itself", key);
	conf = rd_kafka_conf_new();
	error = set(conf, key, value);
	rd_kafka_conf_destroy(conf);
	return error;
}
