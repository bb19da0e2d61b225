// librdkafka's properties: the user's, over our defaults, under what the pipeline itself depends on.
#ifndef FC_PROPERTIES_H
#define FC_PROPERTIES_H

#include <librdkafka/rdkafka.h>

#include "../dataplane.h"

// The configuration of a producer client, or NULL with fc_error(). The caller owns it.
rd_kafka_conf_t *fc_properties_conf(const struct fc_pipeline_config *config);

// A numeric property of `conf`, with its default where nobody set it. Some have fractions (linger.ms).
double fc_properties_number(const rd_kafka_conf_t *conf, const char *name);

#endif
