"""What DPDK devices can do against what a capture asks of them, without capturing: for `fastcapa capture --check`."""

from fastcapa.config import CaptureConfig, Source, SourceKind
from fastcapa.devargs import is_pci
from fastcapa.errors import UsageError
from fastcapa.host import dpdk
from fastcapa.rows import DeviceInfo


def check(config: CaptureConfig) -> list[str]:
    """Ask each device; return what could not be found out, a line each. Raises UsageError, naming the limit."""
    unknown: list[str] = []
    for source in config.sources:
        if source.kind is not SourceKind.DEVICE:
            continue
        found = dpdk.describe(source.name)
        if found.info is not None:
            _compare(config, source, found.info)
        elif is_pci(source.name):
            # It is asked with little memory and without hugepages, and a NIC's driver may want more than that.
            unknown.append(f"limits of {source.name} are not known: {found.problem}; see `fastcapa doctor`")
        else:
            raise UsageError(f"{source.name}: {found.problem}; are the devargs right?")
    return unknown


def _compare(config: CaptureConfig, source: Source, info: DeviceInfo) -> None:
    most = info["rx_queues_max"]
    if config.rx_queues > most:
        raise UsageError(
            f"{source.name}: {config.rx_queues} rx queues asked for, the device has {most}; give --rx-queues {most} or"
            " fewer, or devargs with more"
        )
    wanted, limit = config.rx_descriptors, info["rx_descriptors_max"]
    # Virtual devices without descriptors name no limit at all.
    if limit and not info["rx_descriptors_min"] <= wanted <= limit:
        raise UsageError(
            f"{source.name}: --rx-descriptors {wanted} asked for, the device takes {info['rx_descriptors_min']} to"
            f" {limit}"
        )
    align = info["rx_descriptors_align"]
    if limit and align > 1 and wanted % align:
        raise UsageError(
            f"{source.name}: --rx-descriptors {wanted} asked for, the device takes multiples of {align}, such as"
            f" {wanted - wanted % align}"
        )
