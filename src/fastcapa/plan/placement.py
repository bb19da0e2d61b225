"""Which worker runs on which CPU.

Workers spin. Two on one core halve each other, so a core with no worker on it is what counts most, then a core that the
kernel leaves alone (isolcpus), then the NUMA node of the device. Hyper-thread siblings come last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastcapa import cpu_list
from fastcapa.errors import UsageError
from fastcapa.plan.machine import Cpu, Machine


@dataclass(frozen=True)
class Worker:
    """A worker that wants a place."""

    source: int
    queue: int
    tx: int | None
    """Its number among the tx workers of its ring; None: the rx worker."""
    node: int
    """NUMA node of its source; -1: not known."""


@dataclass(frozen=True)
class Placement:
    """A CPU for each worker, and those for all other threads."""

    worker_cpus: tuple[int, ...]
    """In the order of the workers; -1: not pinned."""
    control_cpus: tuple[int, ...]
    backoff: bool
    """Workers share CPUs with other threads, so they sleep when idle."""
    notes: tuple[str, ...]
    """What is not as it should be, a line each."""


def workers(queues: Sequence[int], tx_workers: int, nodes: Sequence[int]) -> list[Worker]:
    """Return the workers in the data plane's order; `queues` and `nodes` are those of each source."""
    return [
        Worker(source, queue, tx, node)
        for source, (count, node) in enumerate(zip(queues, nodes, strict=True))
        for queue in range(count)
        for tx in (None, *range(tx_workers))
    ]


def automatic(wanted: Sequence[Worker], machine: Machine) -> Placement:
    """Place the workers; without a CPU to spare for the other threads none is pinned, and all sleep when idle."""
    cpus = [cpu for cpu in machine.cpus if cpu.ours]
    if len(cpus) <= len(wanted):
        shared = f"{len(wanted)} workers share {len(cpus)} CPUs with everything else"
        note = f"{shared}: they are not pinned, and sleep when idle"
        return Placement((-1,) * len(wanted), tuple(cpu.number for cpu in cpus), True, (note,))
    # The first CPUs serve interrupts on most machines: one stays for the other threads, if possible with its core.
    reserved = min(cpus, key=lambda cpu: (cpu.isolated, cpu.number))
    free = [cpu for cpu in cpus if cpu is not reserved]
    apart = [cpu for cpu in free if cpu.core != reserved.core] or free
    places = _assign(_with_nodes(wanted, apart), free, reserved.core)
    chosen = [places[index] for index in range(len(wanted))]
    return Placement(
        tuple(cpu.number for cpu in chosen), _control(cpus, chosen), False, tuple(_defects(wanted, chosen))
    )


def by_list(wanted: Sequence[Worker], machine: Machine, lcores: Sequence[int], *, oversubscribe: bool) -> Placement:
    """Place the workers on the CPUs that the user names; raise UsageError for what cannot be."""
    _check_list(wanted, machine, lcores)
    by_number = {cpu.number: cpu for cpu in machine.cpus}
    chosen = [by_number[number] for number in lcores[: len(wanted)]]
    notes = _defects(wanted, chosen)
    if len(lcores) > len(wanted):
        notes.append(f"--lcores: {cpu_list.show(lcores[len(wanted) :])} not used, there are {len(wanted)} workers")
    cpus = [cpu for cpu in machine.cpus if cpu.ours]
    backoff = all(cpu in chosen for cpu in cpus)
    if backoff and not oversubscribe:
        raise UsageError(
            f"--lcores takes all {len(cpus)} CPUs of this process for {len(wanted)} workers and leaves none for control"
            " and Kafka-library threads; name fewer, start fewer workers, or add --oversubscribe"
        )
    if backoff:
        notes.append("workers share their CPUs with everything else: they sleep when idle")
    return Placement(tuple(cpu.number for cpu in chosen), _control(cpus, chosen), backoff, tuple(notes))


def _check_list(wanted: Sequence[Worker], machine: Machine, lcores: Sequence[int]) -> None:
    usable = cpu_list.show(cpu.number for cpu in machine.cpus)
    known = {cpu.number for cpu in machine.cpus}
    for number in lcores:
        if number in machine.offline:
            raise UsageError(
                f"--lcores: CPU {number} is offline; switch it on with"
                f" `echo 1 > /sys/devices/system/cpu/cpu{number}/online`, or choose from {usable}"
            )
        if number in machine.forbidden:
            raise UsageError(
                f"--lcores: CPU {number} is not in this process's cgroup (cpuset); allow it there,"
                f" or choose from {usable}"
            )
        if number not in known:
            raise UsageError(f"--lcores: there is no CPU {number}; choose from {usable}")
        if lcores.count(number) > 1:
            raise UsageError(f"--lcores: CPU {number} is given twice; each worker needs one of its own")
    if len(lcores) < len(wanted):
        raise UsageError(
            f"--lcores names {len(lcores)} CPUs for {len(wanted)} workers ({_roles(wanted)}); name {len(wanted)},"
            " or use fewer queues, sources or --tx-workers"
        )


def _roles(wanted: Sequence[Worker]) -> str:
    rx = sum(worker.tx is None for worker in wanted)
    return f"{rx} rx, {len(wanted) - rx} tx"


def _with_nodes(wanted: Sequence[Worker], free: Sequence[Cpu]) -> list[int]:
    """Return the node for each worker; a source of no known node gets the one with the most of its cores left."""
    cores = {node: len({cpu.core for cpu in free if cpu.node == node}) for node in {cpu.node for cpu in free}}
    for worker in wanted:
        if worker.node in cores:
            cores[worker.node] -= 1
    chosen: dict[int, int] = {}
    nodes: list[int] = []
    for worker in wanted:
        node = worker.node
        if node not in cores:
            if worker.source not in chosen:
                chosen[worker.source] = max(sorted(cores), key=lambda number: cores[number])
            node = chosen[worker.source]
            cores[node] -= 1
        nodes.append(node)
    return nodes


def _assign(nodes: Sequence[int], free: Sequence[Cpu], reserved_core: int) -> dict[int, Cpu]:
    """Return the CPU of each worker (by index); `free` has at least as many CPUs as there are workers."""
    places: dict[int, Cpu] = {}
    left = list(free)
    busy: set[int] = set()

    def cost(cpu: Cpu, node: int) -> tuple[bool, bool, bool, bool]:
        return cpu.core in busy, cpu.core == reserved_core, not cpu.isolated, cpu.node != node

    # The cheapest place of any worker first, so that none that has to go elsewhere takes another's place at home.
    while len(places) < len(nodes):
        waiting = [index for index in range(len(nodes)) if index not in places]
        best = {node: min(left, key=lambda cpu: (cost(cpu, node), cpu.number)) for node in {nodes[i] for i in waiting}}
        index = min(waiting, key=lambda i: (cost(best[nodes[i]], nodes[i]), i))
        cpu = best[nodes[index]]
        places[index] = cpu
        left.remove(cpu)
        busy.add(cpu.core)
    return places


def _control(cpus: Sequence[Cpu], chosen: Sequence[Cpu]) -> tuple[int, ...]:
    """Return the CPUs of all other threads: none of a worker's core, none isolated, as far as there are others."""
    cores = {cpu.core for cpu in chosen}
    rest = [cpu for cpu in cpus if cpu not in chosen] or list(cpus)
    shared = [cpu for cpu in rest if not cpu.isolated] or rest
    apart = [cpu for cpu in shared if cpu.core not in cores] or shared
    return tuple(cpu.number for cpu in apart)


def _defects(wanted: Sequence[Worker], chosen: Sequence[Cpu]) -> list[str]:
    """Return what costs speed in a placement."""
    notes: list[str] = []
    cores = [cpu.core for cpu in chosen]
    siblings = [cpu.number for cpu in chosen if cores.count(cpu.core) > 1]
    if siblings:
        notes.append(f"workers on CPUs {cpu_list.show(siblings)} share cores (hyper-threads): each is slower")
    far = [cpu.number for worker, cpu in zip(wanted, chosen, strict=True) if worker.node not in (-1, cpu.node)]
    if far:
        notes.append(f"workers on CPUs {cpu_list.show(far)} are not on their device's NUMA node: each packet crosses")
    return notes
