"""Which worker runs on which CPU, and how much packet memory there is: decided and said before anything starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastcapa import cpu_list, devargs
from fastcapa.config import CaptureConfig, SourceKind
from fastcapa.errors import UsageError
from fastcapa.plan import memory, placement
from fastcapa.plan.machine import Machine, device_node

__all__ = ["Machine", "Plan", "make", "source_nodes", "table"]

# RTE_MAX_LCORE of Debian's DPDK, less the main lcore: each worker is registered as one.
WORKERS_MAX = 127


@dataclass(frozen=True)
class Plan:
    """Where everything goes."""

    worker_cpus: tuple[int, ...]
    """In the data plane's order: rx worker of a queue, its tx workers, the next queue; -1: not pinned."""
    control_cpus: tuple[int, ...]
    """For all other threads."""
    backoff: bool
    """Idle workers sleep instead of spinning."""
    mbufs: tuple[int, ...]
    """Packet buffers of each source, all its queues together."""
    nodes: tuple[int, ...]
    """NUMA node of each source and of its packet buffers; -1: any."""
    memory_bytes: int
    """DPDK's memory."""
    ordinary_bytes: int
    """Besides, never in hugepages: the kernel's rx buffers of interfaces, the direct producer's batches."""
    hugepages: bool
    notes: tuple[str, ...]
    """What a user should know of it, a line each."""


def make(config: CaptureConfig, machine: Machine, nodes: Sequence[int] | None = None, *, direct: bool = False) -> Plan:
    """Return the plan; raise UsageError with the numbers and the remedy for what does not fit.

    `nodes` are the NUMA nodes of the sources, -1 for one that is not known. `direct`: with the direct producer.
    """
    nodes = nodes if nodes is not None else [-1] * len(config.sources)
    queues = [config.rx_queues] * len(config.sources)
    workers = placement.workers(queues, config.tx_workers, nodes)
    places = _place(config, workers, machine)
    needed = memory.need(config, machine, nodes, direct=direct)
    notes = memory.notes(needed, machine)
    if places.worker_cpus[0] >= 0:
        notes.append(_where(places, workers))
    return Plan(
        worker_cpus=places.worker_cpus,
        control_cpus=places.control_cpus,
        backoff=places.backoff,
        mbufs=needed.mbufs,
        nodes=tuple(nodes),
        memory_bytes=needed.packet_bytes,
        ordinary_bytes=needed.ordinary_bytes,
        hugepages=needed.hugepages,
        notes=(*notes, *places.notes),
    )


def source_nodes(config: CaptureConfig) -> list[int]:
    """Return the NUMA node of each source of this machine; -1: a file, a virtual device, or one node only."""
    return [
        -1 if source.kind is SourceKind.FILE else device_node(devargs.name(source.name)) for source in config.sources
    ]


def table(config: CaptureConfig, plan: Plan) -> list[str]:
    """Return a line per rx queue: which CPUs its workers have."""
    lines: list[str] = []
    step = 1 + config.tx_workers
    for number, start in enumerate(range(0, len(plan.worker_cpus), step)):
        source = config.sources[number // config.rx_queues]
        rx, *tx = plan.worker_cpus[start : start + step]
        where = f"rx on CPU {rx}, tx on {', '.join(map(str, tx))}" if rx >= 0 else "rx and tx on any CPU"
        lines.append(f"{source.name} queue {number % config.rx_queues}: {where}")
    return lines


def _place(config: CaptureConfig, workers: Sequence[placement.Worker], machine: Machine) -> placement.Placement:
    rx = sum(worker.tx is None for worker in workers)
    fewer = "use fewer sources, --rx-queues or --tx-workers"
    if len(workers) > WORKERS_MAX:
        raise UsageError(
            f"--rx-queues {config.rx_queues} of {len(config.sources)} sources, each with --tx-workers"
            f" {config.tx_workers}, are {len(workers)} workers; DPDK takes {WORKERS_MAX}; {fewer}"
        )
    if config.lcores is not None:
        return placement.by_list(workers, machine, cpu_list.parse(config.lcores), oversubscribe=config.oversubscribe)
    cpus = sum(cpu.ours for cpu in machine.cpus)
    if cpus < len(workers) and not config.oversubscribe:
        raise UsageError(
            f"{len(workers)} workers ({rx} rx, {len(workers) - rx} tx) on {cpus} CPUs;"
            f" {fewer}, or add --oversubscribe to let them share"
        )
    return placement.automatic(workers, machine)


def _where(places: placement.Placement, workers: Sequence[placement.Worker]) -> str:
    rx = [cpu for worker, cpu in zip(workers, places.worker_cpus, strict=True) if worker.tx is None]
    tx = [cpu for worker, cpu in zip(workers, places.worker_cpus, strict=True) if worker.tx is not None]
    return (
        f"rx workers on CPUs {cpu_list.show(rx)}, tx workers on {cpu_list.show(tx)},"
        f" everything else on {cpu_list.show(places.control_cpus)}"
    )
