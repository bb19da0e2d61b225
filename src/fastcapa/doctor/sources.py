"""The sources that were named: kernel interfaces and DPDK devices, and whether their workers have CPUs and memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from fastcapa import devargs as devargs_names
from fastcapa import plan
from fastcapa.config import CaptureConfig
from fastcapa.doctor.finding import Finding, blocks, note, ok, warning
from fastcapa.errors import UsageError
from fastcapa.host import capabilities, dpdk, pci
from fastcapa.host.interfaces import Interface

# The other end of these is on this host, and what it sends has not been cut to size.
_PIPES = ("veth", "tun", "loopback", "bridge")


def interface(name: str, known: Sequence[Interface]) -> Iterator[Finding]:
    """Check an interface of which `known` are those that there are."""
    if name == "any":
        yield ok("interface", "any: all interfaces (offloads of each are not looked at)")
        return
    found = next((candidate for candidate in known if candidate.name == name), None)
    if found is None:
        there = ", ".join(candidate.name for candidate in known)
        yield blocks("interface", f"{name}: no such interface; there are {there}", "ip link")
        return
    if not found.ethernet:
        yield blocks("interface", f"{name}: is not Ethernet ({found.kind})", "choose another: fastcapa devices")
        return
    if not found.up:
        yield blocks("interface", f"{name}: is down", f"ip link set {name} up")
        return
    speed = f", {found.facts.speed_mbps} Mb/s" if found.facts.speed_mbps else ""
    if found.link:
        yield ok("interface", f"{name}: up, {found.driver or found.kind}, MTU {found.mtu}{speed}")
    else:
        yield warning("interface", f"{name}: up, but without a carrier: nothing arrives", f"ip link show {name}")
    yield from _offloads(found)
    if found.xdp:
        yield warning(
            "interface",
            f"{name}: an XDP program is attached; what it drops or redirects is never seen",
            f"ip link set {name} xdp off",
        )
    facts = found.facts
    if facts.rx_descriptors and facts.rx_descriptors_max and facts.rx_descriptors < facts.rx_descriptors_max:
        yield note(
            "interface",
            f"{name}: {facts.rx_descriptors} of {facts.rx_descriptors_max} rx descriptors are used; more absorb bursts",
            f"ethtool -G {name} rx {facts.rx_descriptors_max}",
        )


def _offloads(found: Interface) -> Iterator[Finding]:
    name, facts = found.name, found.facts
    if facts.merging:
        off = {"gro": "gro off", "gro-hw": "rx-gro-hw off", "lro": "lro off", "gro-list": "rx-gro-list off"}
        switches = " ".join(off[offload] for offload in facts.merging)
        yield warning(
            "offloads",
            f"{name}: {', '.join(facts.merging)} merge received frames: the capture has frames of up to 64 KB that"
            " never were on the wire, and fewer of them",
            f"ethtool -K {name} {switches}",
        )
    else:
        yield ok("offloads", f"{name}: no offload merges received frames")
    if facts.segmenting and found.kind in _PIPES:
        yield warning(
            "offloads",
            f"{name}: {', '.join(facts.segmenting)}: on a {found.kind} frames are not cut to size: the capture has"
            " frames of up to 64 KB with unfinished checksums (the other end's setting counts for what arrives here)",
            f"ethtool -K {name} tso off gso off tx-udp-segmentation off tx off (and on the other end)",
        )
    elif facts.segmenting:
        yield note(
            "offloads",
            f"{name}: {', '.join(facts.segmenting)}: frames that this host itself sends are captured before they are"
            " cut to size; frames from the wire are not touched",
            f"ethtool -K {name} tso off gso off",
        )


def needs_vfio(devargs: str, root: Path = Path("/sys")) -> bool:
    """Whether devargs name a PCI device that is neither shared with the kernel's driver nor bound to a uio driver."""
    bound = {found.address: found for found in pci.find(root)}.get(devargs_names.name(devargs))
    return devargs_names.is_pci(devargs) and (bound is None or not bound.usable or bound.driver == "vfio-pci")


def device(devargs: str, root: Path = Path("/sys")) -> Iterator[Finding]:
    """Check a DPDK device: there, bound, and opened by DPDK."""
    if not devargs_names.is_pci(devargs):
        if lacking := capabilities.missing(capabilities.of_device(devargs)):
            yield blocks("device", f"{devargs}: opening it needs {lacking}", "run fastcapa as root")
        else:
            yield _opened(dpdk.describe(devargs))
        return
    address = devargs_names.name(devargs)
    found = next((candidate for candidate in pci.find(root) if candidate.address == address), None)
    if found is None:
        yield blocks("device", f"{devargs}: no network device at this PCI address", "lspci -D | grep -i ethernet")
    elif not found.usable:
        interfaces = f" as {', '.join(found.interfaces)}, which then goes away" if found.interfaces else ""
        yield blocks(
            "device",
            f"{devargs}: bound to {found.driver or 'no driver'}{interfaces}; DPDK cannot open it",
            f"modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci {address}",
        )
    else:
        yield _opened(dpdk.describe(devargs, found))


def _opened(found: dpdk.DpdkDevice) -> Finding:
    if found.info is None:
        return blocks("device", f"{found.devargs}: {found.problem}", "check the devargs; fastcapa devices")
    info = found.info
    queues = f"{info['rx_queues_max']} rx queues"
    spread = "RSS" if info["hash_types"] else "no RSS"
    return ok("device", f"{found.devargs}: {info['driver']}, {queues}, {spread}, MTU up to {info['mtu_max']}")


def placement(config: CaptureConfig, machine: plan.Machine) -> Iterator[Finding]:
    """Check CPUs and memory against the plan of a capture from these sources."""
    try:
        made = plan.make(config, machine, plan.source_nodes(config))
    except UsageError as error:
        yield blocks("plan", str(error), "fastcapa capture ... --check shows the plan of other options")
        return
    if made.backoff:
        yield warning(
            "plan",
            f"{len(made.worker_cpus)} workers and {len(made.control_cpus)} CPUs: workers are not pinned"
            " and sleep when idle, so bursts meet them asleep",
            f"use a machine of {len(made.worker_cpus) + 1} CPUs or more for these sources",
        )
        return
    for line in plan.table(config, made):
        yield ok("plan", line)
    yield ok("plan", made.notes[0])
