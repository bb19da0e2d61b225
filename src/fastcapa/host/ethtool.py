"""What ethtool shows of an interface, through pyroute2: netlink where the kernel speaks it, ioctl where it does not.

No privilege is needed. Whatever an interface does not offer is None.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pyroute2.ethtool.ioctl import EthtoolError, IoctlEthtool
from pyroute2.netlink import genlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic.ethtool import NlEthtool, ethtoolbitset, ethtoolheader

# Messages that pyroute2 does not declare; numbers and attributes: linux/ethtool_netlink.h.
_TSINFO_GET = 25
_RSS_GET = 38  # Linux 6.3 and newer
_VERSION = 1
_NLM_F_REQUEST = 1
_SPEEDS_UNKNOWN = (0, 0xFFFF, 0xFFFFFFFF)  # SPEED_UNKNOWN in 16 and 32 bits
_NO_CLOCK = 0xFFFFFFFF
# ETH_RSS_HASH_*_BIT
_HASH_FUNCTIONS = {1: "toeplitz", 2: "xor", 4: "crc32"}
# Received frames that belong together become one: captures see frames that never were on the wire.
_MERGING = {"rx-gro": "gro", "rx-gro-hw": "gro-hw", "rx-lro": "lro", "rx-gro-list": "gro-list"}
# Frames are cut to size below the point where captures see them, or, from a veth's or tap's other end, not at all.
_SEGMENTING = {"tx-generic-segmentation": "gso", "tx-tcp-segmentation": "tso", "tx-udp-segmentation": "uso"}

_Answer = TypeVar("_Answer")


class _TsinfoMessage(genlmsg):  # type: ignore[misc]
    nla_map = (
        ("ETHTOOL_A_TSINFO_UNSPEC", "none"),
        ("ETHTOOL_A_TSINFO_HEADER", "ethtoolheader"),
        ("ETHTOOL_A_TSINFO_TIMESTAMPING", "ethtoolbitset"),
        ("ETHTOOL_A_TSINFO_TX_TYPES", "ethtoolbitset"),
        ("ETHTOOL_A_TSINFO_RX_FILTERS", "ethtoolbitset"),
        ("ETHTOOL_A_TSINFO_PHC_INDEX", "uint32"),
    )
    ethtoolheader = ethtoolheader
    ethtoolbitset = ethtoolbitset


class _RssMessage(genlmsg):  # type: ignore[misc]
    nla_map = (
        ("ETHTOOL_A_RSS_UNSPEC", "none"),
        ("ETHTOOL_A_RSS_HEADER", "ethtoolheader"),
        ("ETHTOOL_A_RSS_CONTEXT", "uint32"),
        ("ETHTOOL_A_RSS_HFUNC", "uint32"),
        ("ETHTOOL_A_RSS_INDIR", "cdata"),
        ("ETHTOOL_A_RSS_HKEY", "cdata"),
    )
    ethtoolheader = ethtoolheader


@dataclass(frozen=True)
class Timestamps:
    """What can stamp received frames: "hardware", "software"."""

    receive: list[str]
    clock: int | None
    """Number N of the device's own clock /dev/ptpN."""


@dataclass(frozen=True)
class Rss:
    """How the device spreads frames over its own queues."""

    function: str | None
    key_bytes: int
    table_entries: int


@dataclass(frozen=True)
class Facts:
    """Everything that is asked for."""

    rx_queues: int | None = None
    rx_queues_max: int | None = None
    rx_descriptors: int | None = None
    rx_descriptors_max: int | None = None
    speed_mbps: int | None = None
    merging: list[str] = field(default_factory=list)
    """Offloads that are on and merge received frames: gro, gro-hw, lro, gro-list."""
    segmenting: list[str] = field(default_factory=list)
    """Offloads that are on and let large frames be sent: gso, tso, uso."""
    timestamps: Timestamps | None = None
    rss: Rss | None = None


def facts(name: str) -> Facts:
    """Return what the kernel says of an interface of this network namespace."""
    ethtool = IoctlEthtool(name)
    try:
        channels = _ask(ethtool.get_channels)
        rings = _ask(ethtool.get_rings)
        features = {str(row[0]) for row in _ask(ethtool.get_features) or () if row[1]}
        link = _ask(ethtool.get_link_settings)
    finally:
        ethtool.close()
    # A queue is one for both directions ("combined") or for receiving only.
    return Facts(
        rx_queues=channels and channels["combined_count"] + channels["rx_count"],
        rx_queues_max=channels and channels["max_combined"] + channels["max_rx"],
        rx_descriptors=rings and rings["rx"],
        rx_descriptors_max=rings and rings["rx_max"],
        speed_mbps=None if link is None or link["speed"] in _SPEEDS_UNKNOWN else link["speed"],
        merging=[short for long, short in _MERGING.items() if long in features],
        segmenting=[short for long, short in _SEGMENTING.items() if long in features],
        timestamps=_timestamps(name),
        rss=_rss(name),
    )


def _timestamps(name: str) -> Timestamps | None:
    answer = _netlink(name, _TsinfoMessage, _TSINFO_GET, "ETHTOOL_A_TSINFO_HEADER")
    if answer is None:
        return None
    modes = set(_bits(answer.get_attr("ETHTOOL_A_TSINFO_TIMESTAMPING")))
    clock = answer.get_attr("ETHTOOL_A_TSINFO_PHC_INDEX")
    return Timestamps(
        receive=[kind for kind in ("hardware", "software") if f"{kind}-receive" in modes],
        clock=None if clock in (None, _NO_CLOCK) else int(clock),
    )


def _rss(name: str) -> Rss | None:
    answer = _netlink(name, _RssMessage, _RSS_GET, "ETHTOOL_A_RSS_HEADER")
    if answer is None:
        return None
    table, key = answer.get_attr("ETHTOOL_A_RSS_INDIR"), answer.get_attr("ETHTOOL_A_RSS_HKEY")
    if not table:
        return None  # a device of one queue answers, with nothing in it
    function = _HASH_FUNCTIONS.get(answer.get_attr("ETHTOOL_A_RSS_HFUNC") or 0)
    return Rss(function, key_bytes=len(key or b""), table_entries=len(table) // 4)


def _netlink(name: str, message: Callable[[], Any], command: int, header: str) -> Any | None:
    """Return the answer to a request for an interface, None if kernel or device have none."""
    request = message()
    request["cmd"], request["version"] = command, _VERSION
    request["attrs"].append((header, {"attrs": [["ETHTOOL_A_HEADER_DEV_NAME", name]]}))
    try:
        with NlEthtool() as netlink:
            netlink.bind("ethtool", message)
            answers = list(netlink.nlm_request(request, msg_type=netlink.prid, msg_flags=_NLM_F_REQUEST))
    except (NetlinkError, OSError):
        return None
    return answers[0] if answers else None


def _bits(bitset: Any | None) -> list[str]:
    bits = bitset.get_attr("ETHTOOL_A_BITSET_BITS") if bitset is not None else None
    if bits is None:
        return []
    return [
        str(bit.get_attr("ETHTOOL_A_BITSET_BITS_BIT_NAME") or bit.get_attr("ETHTOOL_A_BITSET_BIT_NAME"))
        for bit in bits.get_attrs("ETHTOOL_A_BITSET_BITS_BIT")
    ]


def _ask(question: Callable[[], _Answer]) -> _Answer | None:
    try:
        return question()
    except EthtoolError:
        return None
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL, errno.ENODEV):
            return None
        raise
