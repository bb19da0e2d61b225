"""librdkafka's mock cluster (rdkafka_mock.h), which confluent-kafka does not expose as a whole.

Its functions are called in the very library that confluent-kafka has loaded, so that there is one librdkafka in the
process and one version to think of.
"""

import ctypes
from collections.abc import Mapping

from confluent_kafka import cimpl

_PRODUCER = 0  # RD_KAFKA_PRODUCER
_REASON_BYTES = 512

# A handle also finds what its library was linked with: librdkafka.
_library = ctypes.CDLL(cimpl.__file__)
for _name, _result, _arguments in (
    ("rd_kafka_conf_new", ctypes.c_void_p, []),
    ("rd_kafka_conf_set_log_cb", None, [ctypes.c_void_p, ctypes.c_void_p]),
    ("rd_kafka_new", ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    ("rd_kafka_destroy", None, [ctypes.c_void_p]),
    ("rd_kafka_mock_cluster_new", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    ("rd_kafka_mock_cluster_destroy", None, [ctypes.c_void_p]),
    ("rd_kafka_mock_cluster_bootstraps", ctypes.c_char_p, [ctypes.c_void_p]),
    ("rd_kafka_mock_topic_create", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
    ("rd_kafka_err2str", ctypes.c_char_p, [ctypes.c_int]),
):
    _function = getattr(_library, _name)
    _function.restype, _function.argtypes = _result, _arguments


class MockError(Exception):
    """What the library says of a cluster or topic that it does not make."""


class MockCluster:
    """A cluster that serves until it is closed, on a thread of the library's own."""

    def __init__(self, brokers: int, topics: Mapping[str, int]) -> None:
        """`topics` gives partitions by name; others come into being, with four, when they are asked for."""
        conf = _library.rd_kafka_conf_new()
        _library.rd_kafka_conf_set_log_cb(conf, None)  # it would print
        reason = ctypes.create_string_buffer(_REASON_BYTES)
        self._cluster = None
        # The cluster needs a client to live in; this one never connects.
        self._client = _library.rd_kafka_new(_PRODUCER, conf, reason, _REASON_BYTES)
        if not self._client:
            raise MockError(reason.value.decode())
        self._cluster = _library.rd_kafka_mock_cluster_new(self._client, brokers)
        if not self._cluster:
            self.close()
            raise MockError(f"no mock cluster of {brokers} brokers")
        for name, partitions in topics.items():
            error = _library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
            if error != 0:
                self.close()
                raise MockError(f"topic {name}: {_library.rd_kafka_err2str(error).decode()}")

    @property
    def bootstrap(self) -> str:
        """Return its address, "127.0.0.1:PORT[,…]"."""
        text: bytes = _library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return text.decode()

    def close(self) -> None:
        """End it; what it kept is gone."""
        if self._cluster:
            _library.rd_kafka_mock_cluster_destroy(self._cluster)
        _library.rd_kafka_destroy(self._client)
