"""Lists of CPUs as the kernel, taskset and DPDK write them: "0,2,4-7", in taskset also "0-10:2"."""

import re
from collections.abc import Iterable

# More than any kernel's CONFIG_NR_CPUS; a range has to be bounded before it is made.
CPU_MAX = 8191
_PART = re.compile(r"(\d{1,5})(?:-(\d{1,5})(?::(\d{1,5}))?)?")


def parse(text: str) -> tuple[int, ...]:
    """Return the CPUs in the order of the text; raise ValueError naming the part that is none."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        match = _PART.fullmatch(part.strip())
        if match is None or not part.isascii():
            raise ValueError(f"{part.strip()!a} is not a CPU or a range of CPUs; write for example 2,4-7")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        step = int(match[3]) if match[3] else 1
        if last < first or step == 0 or last > CPU_MAX:
            raise ValueError(f"{part.strip()} is not a range of CPUs between 0 and {CPU_MAX}; write for example 4-7")
        cpus.extend(range(first, last + 1, step))
    return tuple(cpus)


def show(cpus: Iterable[int]) -> str:
    """Return the sorted CPUs, ranges as ranges: "0,4-7"."""
    parts: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if parts and cpu == parts[-1][1] + 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
