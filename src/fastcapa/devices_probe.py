"""A child of `fastcapa devices` and `doctor`: asks DPDK about one device.

`python -m fastcapa.devices_probe DEVARGS` prints one JSON object: the device's own words (rows.DeviceInfo), or
{"error": text}. A process of its own, as the EAL starts only once in each, may hang in a driver and may crash.
"""

import json
import os
import sys
import tempfile

from fastcapa import _dataplane
from fastcapa.devargs import is_pci


def main() -> int:
    """Describe the device that the first argument names."""
    devargs = sys.argv[1]
    bus = f"--allow={devargs}" if is_pci(devargs) else "--no-pci"
    arguments = ["fastcapa", bus, "--no-huge", "-m", "64", "--no-telemetry", "--no-shconf", "--log-level=error"]
    # What drivers print must not come between: the answer goes to a copy of standard output, theirs to standard error.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        # The EAL leaves a directory behind, which only processes that share memory would use.
        with tempfile.TemporaryDirectory(prefix="fastcapa-") as directory:
            os.environ["RUNTIME_DIRECTORY"] = directory
            _dataplane.eal_start([*arguments, f"--lcores=0@{min(os.sched_getaffinity(0))}"])
        result: object = _dataplane.device_describe(devargs)
    except _dataplane.DataplaneError as error:
        result = {"error": str(error)}
    with answer:
        json.dump(result, answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
