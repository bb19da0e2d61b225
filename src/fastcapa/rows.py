"""Rows as the data plane gives them; dataplane.h says what each field is."""

from typing import Literal, TypedDict

SourceRow = TypedDict(
    "SourceRow",
    {
        "in": int,
        "missed": int,
        "errors": int,
        "no_mbuf": int,
        "no_mbuf_waits": int,
        "unfetched": int,
        "clock_steps": int,
        "clock": str,
    },
)


class _WorkerRow(TypedDict):
    role: Literal["rx", "tx"]
    state: Literal["running", "draining", "done"]
    source: int
    queue: int
    worker: int
    cpu: int
    failed: bool
    busy_cycles: int
    total_cycles: int
    cpu_time_ns: int
    counters: dict[str, int]


class WorkerRow(_WorkerRow, total=False):
    """One worker; what follows is in rows of rx workers only."""

    ring_queued: int
    longest_gap_ns: int
    losses: dict[str, int] | None
    """Lost at the source on this queue: missed, errors, no_mbuf. None: the source knows only its total."""


class BrokerRow(TypedDict):
    """One broker as one tx worker sees it."""

    node: int
    connected: bool
    round_trip_ns: int
    answers: int


class DeviceInfo(TypedDict):
    """What a DPDK device says of itself."""

    driver: str
    mac: str
    rx_queues_max: int
    rx_descriptors_min: int
    rx_descriptors_max: int
    rx_descriptors_align: int
    mtu_max: int
    frame_bytes_max: int
    hash_key_bytes: int
    reta_entries: int
    numa_node: int
    link_up: bool
    speed_mbps: int
    hash_types: list[str]
    rx_offloads: list[str]
