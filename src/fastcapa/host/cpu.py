"""Whether the processor has what the data plane was compiled for: Debian's DPDK is for x86-64-v2."""

from pathlib import Path

from fastcapa.errors import RunTimeError

# As /proc/cpuinfo calls them, beyond what every x86-64 has.
_NEEDED = {"cx16": "CMPXCHG16B", "ssse3": "SSSE3", "sse4_1": "SSE4.1", "sse4_2": "SSE4.2", "popcnt": "POPCNT"}


def check(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Raise RunTimeError if it lacks something; to be asked before the data plane is loaded, which would be the end.

    Says nothing where nothing is known of it.
    """
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as file:  # of hundreds of processors; the first is enough
            flags = next((line.partition(":")[2].split() for line in file if line.startswith("flags")), None)
    except OSError:
        return
    lacking = [name for flag, name in _NEEDED.items() if flags is not None and flag not in flags]
    if lacking:
        raise RunTimeError(
            f"this processor has no {', '.join(lacking)}; x86-64-v2 is needed, which servers have had since 2009"
            " (in a virtual machine: another CPU model, such as `host`)"
        )
