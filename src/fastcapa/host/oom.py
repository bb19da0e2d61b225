"""Whether the kernel ends processes because there is no memory left."""

from pathlib import Path

_VMSTAT = Path("/proc/vmstat")


def kills() -> int:
    """Return how many processes the kernel has killed for their memory since it runs, in cgroups with a limit too."""
    try:
        lines = _VMSTAT.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
