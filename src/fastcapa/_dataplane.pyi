"""Typed face of the binding; the contract is dataplane.h and producer/transport.h."""

from typing import TypedDict

from fastcapa.rows import BrokerRow, DeviceInfo, SourceRow, WorkerRow

SOURCE_FILE: int
SOURCE_INTERFACE: int
SOURCE_ETHDEV: int
SOURCE_MEMORY: int

class DataplaneError(Exception):
    errno: int

def versions() -> str: ...
def eal_start(arguments: list[str]) -> None: ...
def eal_confine(keep: int) -> None: ...
def cycles_per_second() -> int: ...
def device_describe(devargs: str) -> DeviceInfo: ...
def filter_check(expression: str, *, in_kernel: bool) -> None: ...
def property_check(key: str, value: str) -> None: ...

class Tls:
    def __init__(
        self,
        *,
        ca_file: str | None = None,
        ca_directory: str | None = None,
        certificate_file: str | None = None,
        key_file: str | None = None,
        key_password: str | None = None,
        ciphers: str | None = None,
        verify: bool = True,
        verify_name: bool = True,
    ) -> None: ...

class Transport:
    @staticmethod
    def plain(fd: int) -> Transport: ...
    @staticmethod
    def tls(tls: Tls, fd: int, host: str, timeout_ms: int) -> Transport: ...
    def send(self, data: bytes) -> int | None: ...
    def recv(self, size: int) -> bytes | None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...

class DirectSettings(TypedDict):
    """Members of struct fc_direct_config."""

    client_id: str
    codec: str
    codec_level: int
    linger_us: int
    batch_bytes_max: int
    buffer_bytes: int
    request_timeout_ms: int
    delivery_timeout_ms: int
    retry_backoff_ms: int
    retry_backoff_max_ms: int
    spill_directory: str
    spill_bytes_max: int
    spill_sync: str

class Pipeline:
    def __init__(
        self,
        *,
        rx_burst: int,
        rx_attempts: int,
        tx_ring: int,
        tx_workers: int,
        tx_burst: int,
        count: int,
        filter: str,
        headers: bool,
        topic: str,
        partitions: int,
        value_bytes_max: int,
        partition: str,
        properties: dict[str, str],
        direct: DirectSettings | None = None,
    ) -> None: ...
    def add_source(
        self,
        *,
        kind: int,
        name: str,
        rx_queues: int,
        rx_descriptors: int,
        buffer_bytes: int,
        snaplen: int,
        mbufs: int,
        frame_bytes: int,
        packets: int,
        numa_node: int,
        promiscuous: bool,
        timestamps_now: bool,
        backoff: bool,
        exclude: str,
    ) -> None: ...
    def start(self, cpus: list[int]) -> None: ...
    def stop(self, timeout_ms: int) -> None: ...
    def change(self, filter: str, snaplen: int) -> bool: ...
    def changing(self) -> int: ...
    def workers(self) -> list[WorkerRow]: ...
    def sources(self) -> list[SourceRow]: ...
    def brokers(self) -> list[BrokerRow]: ...
    def watch(self) -> None: ...
    def xstats(self, source: int, limit: int) -> tuple[dict[str, int], int]: ...
    def events(self) -> list[tuple[int, str]]: ...
    def direct_next(self) -> tuple[str, int, int, int, int, str] | None: ...
    def direct_topic(self, leaders: list[int], batch_bytes_max: int) -> None: ...
    def direct_producer_id(self, worker: int, producer_id: int, epoch: int) -> bool: ...
    def direct_connection(self, worker: int, node: int, transport: Transport, version: int) -> bool: ...
    def close(self) -> int: ...
