"""The validated configuration of a capture, with units and limits.

The command line's options have the same names with `_` for `-`; what is said here of a limit is what a user is told.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from fastcapa import cpu_list, listen_address
from fastcapa.errors import UsageError

SNAPLEN_MAX = 262_144  # libpcap's limit for Ethernet; the data plane's FC_FRAME_BYTES_MAX
# Of frames made in memory: Ethernet's smallest, and one packet buffer.
FRAME_BYTES_MIN, FRAME_BYTES_MAX = 60, 2048


# A segment of 1 MiB for each of 16.
SPILL_BYTES_MIN = 16 << 20

_SIZE = re.compile(r"([0-9]+) *([kmgt]?)(i?b)?", re.IGNORECASE)


def _size(value: object) -> object:
    """Return the bytes of "512M" or "10G", as dd and systemd take it: powers of 1024."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("a size is needed, such as 512M or 10G")
    number, unit, _ = match.groups()
    size = int(number) << 10 * " kmgt".index(unit.lower() or " ")
    if size < SPILL_BYTES_MIN:
        raise ValueError(f"at least {SPILL_BYTES_MIN >> 20}M is needed")
    return size


Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=int | str)]


class SourceKind(StrEnum):
    """What a source is opened through; the value is the option that names it."""

    INTERFACE = "interface"
    FILE = "read"
    DEVICE = "device"
    MEMORY = "memory"  # of `fastcapa bench` only


class Source(BaseModel):
    """One source of packets: a kernel interface, a capture file, a DPDK device (its devargs), or frames in memory."""

    model_config = ConfigDict(frozen=True)

    kind: SourceKind
    name: str = Field(min_length=1, max_length=4095)
    frame_bytes: int = Field(0, ge=0, le=FRAME_BYTES_MAX)
    """Memory: size of each frame."""
    packets: int = Field(0, ge=0, le=2**63 - 1)
    """Memory: how many frames it gives."""

    @property
    def live(self) -> bool:
        """Whether packets come whether or not we are ready."""
        return self.kind not in (SourceKind.FILE, SourceKind.MEMORY)


class CaptureConfig(BaseModel):
    """Everything that `fastcapa capture` is told, checked."""

    # What a validation error shows of its input could be a password.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    sources: Annotated[tuple[Source, ...], Field(min_length=1, max_length=32)]
    topic: str
    properties: dict[str, str] = Field(repr=False)  # passwords are among them
    """librdkafka properties, bootstrap.servers among them."""
    producer: Literal["auto", "direct", "librdkafka"] = "auto"
    buffer_memory: int = Field(64, ge=1, le=1 << 20)
    """Of each tx worker of the direct producer, MiB."""
    spill: str | None = Field(None, min_length=1, max_length=4095)
    """Directory for batches of the direct producer that Kafka does not take in time; None: the ring drops instead."""
    spill_max: Size = Field(1 << 30, ge=SPILL_BYTES_MIN, le=1 << 50)
    """Bytes in that directory, of all tx workers together."""
    spill_sync: Literal["none", "interval", "batch"] = "interval"
    """When they are forced to the disk: when the kernel likes, once a second, each."""
    filter: str = Field("", max_length=4095)
    """pcap-filter(7); empty: every packet."""

    rx_queues: int = Field(1, ge=1, le=64)
    """Of each source, each with its own rx worker and tx ring."""
    rx_descriptors: int = Field(1024, ge=32, le=32_768)
    """Size of each rx queue of a DPDK device, packets."""
    rx_buffer_mb: int = Field(32, ge=1, le=2047)
    """Size of each rx queue of a kernel interface, MiB."""
    rx_burst: int = Field(32, ge=1, le=512)
    """Packets asked for in one fetch."""
    rx_attempts: int = Field(4, ge=1, le=16)
    """Fetches in a row while they come back full."""
    tx_ring: int = Field(16_384, ge=2, le=1 << 22, json_schema_extra={"enum": [1 << n for n in range(1, 23)]})
    """Packets that the ring between an rx worker and its tx workers holds."""
    tx_workers: int = Field(1, ge=1, le=16)
    """Per ring."""
    tx_burst: int = Field(256, ge=1, le=4096)
    """Packets taken from the ring at once."""

    partition: Literal["sticky", "flow", "queue", "key"] = "sticky"
    """What decides about the partition of a packet."""
    headers: bool = False
    """Messages carry source, queue, sequence, nanoseconds and original length."""
    include_own_traffic: bool = False
    """Capture the probe's own traffic to Kafka too, on an interface that carries it."""
    snaplen: int = Field(SNAPLEN_MAX, ge=1, le=SNAPLEN_MAX, json_schema_extra={"minimum": 0})
    """Bytes kept of a frame; 0: all."""
    promiscuous: bool = True
    timestamps: Literal["source", "now"] = "source"
    count: int = Field(0, ge=0, le=2**63 - 1)
    """Packets after which the capture ends; 0: no limit."""
    duration: float = Field(0, ge=0, le=10 * 365 * 86_400)
    """Seconds after which the capture ends; 0: no limit."""
    drain_timeout: float = Field(30, ge=0, le=86_400)
    """Seconds that the drain may take."""
    restart: bool = False
    """Start another engine when one dies or its source or producer fails, after 1 to 30 s."""
    user: str | None = Field(None, min_length=1, max_length=256)
    """Whose the processes are once sources are open, by name; None: they stay whose they are."""
    seccomp: bool = True
    """Filter the engine's system calls."""
    oversubscribe: bool = False
    lcores: str | None = None
    """CPUs of the workers, "2,4-7", in the order rx worker of queue 0, its tx workers, ...; None: the plan chooses."""
    fail_on_loss: bool = False
    report: str | None = None
    """File for the report, "-" for standard output; conversions of strftime(3) in its name stand for the time."""
    report_every: float = Field(0, ge=0, le=366 * 86_400)
    """Seconds between two reports while the capture goes on; 0: only the final one."""
    report_keep: int = Field(0, ge=0, le=1_000_000)
    """Of the files that `report` has made, so many are left; 0: all."""
    stats: Literal["auto", "live", "lines", "none"] = "auto"
    """What standard error shows of a running capture; auto: live on a terminal, none elsewhere."""
    stats_interval: float = Field(10, ge=1, le=86_400)
    """Seconds between two lines of `stats` lines."""
    metrics: str | None = None
    """HOST:PORT of metrics and status page, [ADDRESS]:PORT for IPv6; :PORT or PORT: on loopback."""
    metrics_token_file: str | None = None
    """File with the bearer token that metrics and the status page ask for."""
    metrics_certificate: str | None = None
    """File with their TLS certificate, and those of the authorities between it and the root, in PEM."""
    metrics_key: str | None = None
    """File with the key of that certificate, if it is not in the same file."""
    xstats: bool = False
    """The report has the extended statistics of DPDK devices."""
    log_format: Literal["text", "json"] = "text"
    """Lines on standard error: for people, or an object each."""
    log_level: Literal["error", "warning", "notice", "info"] = "info"
    """Lines of this level and graver ones."""

    @field_validator("snaplen", mode="before")
    @classmethod
    def _whole_packet(cls, value: object) -> object:
        return SNAPLEN_MAX if value == 0 else value  # as tcpdump takes it

    @field_validator("tx_ring")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            lower = 1 << (value.bit_length() - 1)
            raise ValueError(f"a power of two is needed, such as {lower} or {2 * lower}")
        return value

    @field_validator("lcores")
    @classmethod
    def _cpu_list(cls, value: str | None) -> str | None:
        if value is not None:
            cpu_list.parse(value)
        return value

    @field_validator("metrics")
    @classmethod
    def _metrics_address(cls, value: str | None) -> str | None:
        if value is not None:
            listen_address.parse(value)
        return value

    @model_validator(mode="after")
    def _metrics_options_need_it(self) -> Self:
        for name in ("metrics_token_file", "metrics_certificate", "metrics_key"):
            if getattr(self, name) is not None and self.metrics is None:
                raise ValueError(f"--{name.replace('_', '-')} is of no use without --metrics HOST:PORT")
        if self.metrics_key is not None and self.metrics_certificate is None:
            raise ValueError("--metrics-key needs --metrics-certificate")
        return self

    @model_validator(mode="after")
    def _bursts_of_vector_drivers(self) -> Self:
        # They fetch 4 or 8 packets at a time and round what is asked for down, some of them to none at all.
        if self.rx_burst % 8 and any(source.kind is SourceKind.DEVICE for source in self.sources):
            raise ValueError(
                f"--rx-burst {self.rx_burst}: drivers of DPDK devices fetch 8 packets at a time;"
                f" give a multiple of 8, such as {-(-self.rx_burst // 8) * 8}"
            )
        return self

    @model_validator(mode="after")
    def _restart_of_live_sources(self) -> Self:
        files = [source.name for source in self.sources if not source.live]
        if self.restart and files:
            raise ValueError(
                f"--restart: {files[0]} would be sent again from its beginning; leave the option out, or give only"
                " interfaces and devices"
            )
        return self

    @model_validator(mode="after")
    def _reports_have_a_place(self) -> Self:
        if 0 < self.report_every < 1:
            raise ValueError(f"--report-every {self.report_every:g}: at least one second, or 0 for the final one only")
        for option, value in (("--report-every", self.report_every), ("--report-keep", self.report_keep)):
            if value and self.report is None:
                raise ValueError(f"{option} {value:g}: there is no report to write; add --report FILE")
        return self

    @model_validator(mode="after")
    def _sources_differ(self) -> Self:
        names = [(source.kind, source.name) for source in self.sources if source.live]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name[1]} is given twice")
        return self


def validate(values: Mapping[str, Any]) -> CaptureConfig:
    """Return the configuration; raise UsageError with option, value, limit for the first thing that is wrong."""
    try:
        return CaptureConfig(**values)
    except ValidationError as error:
        raise UsageError(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    location = ".".join(str(part) for part in first["loc"])
    shown = str(first["input"]).encode("ascii", "backslashreplace").decode()[:60]
    option = f"--{location.replace('_', '-')} {shown}: " if location else ""
    if location == "filter":
        option = f"filter '{shown}...': "
    if first["loc"][:1] == ("sources",) and len(first["loc"]) > 1:
        return "a source has no name, or one longer than 4095 characters or not UTF-8; check -i, -r and --device"
    if location == "sources":
        return "nothing to capture from; give -i INTERFACE, -r FILE or --device DEVARGS (at most 32 of them)"
    text = first["msg"].removeprefix("Value error, ")
    return f"{option}{text[0].lower()}{text[1:]}"
