#include <librdkafka/rdkafka.h>
#include <pcap/pcap.h>
#include <rte_version.h>
#include <stdio.h>

#include "dataplane.h"

const char *fc_versions(void)
{
	static _Thread_local char text[256];

	snprintf(text, sizeof text, "%s, librdkafka %s, %s", rte_version(), rd_kafka_version_str(), pcap_lib_version());
	return text;
}
