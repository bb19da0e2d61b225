"""`fastcapa devices`: what can be captured from on this host, and what to type for it."""

import argparse
import dataclasses
import json
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fastcapa.errors import Exit, RunTimeError
from fastcapa.host import dpdk, interfaces

SCHEMA = 1
NOT_KNOWN = "-"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "devices",
        description="List kernel interfaces and DPDK devices: driver, queues, descriptors, RSS, timestamps, NUMA node, "
        "link, and the option that captures from each.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="as JSON, schema 1 (see README.md)")
    parser.add_argument(
        "--device", action="append", default=[], metavar="DEVARGS", help="a virtual DPDK device to ask too, repeatable"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the devices; 1 if a device that was named cannot be opened."""
    try:
        found = interfaces.find()
    except OSError as error:
        raise RunTimeError(f"the kernel does not list its interfaces (netlink): {error.strerror}") from None
    devices = dpdk.find(args.device)
    if args.json:
        print(json.dumps(report(found, devices), indent=1))
    else:
        console = Console(highlight=False)
        _print_interfaces(found, console)
        _print_devices(devices, console)
    named = [device for device in devices if device.devargs in args.device]
    return Exit.RUN_TIME_FAILURE if any(device.problem for device in named) else Exit.DONE


def report(found: list[interfaces.Interface], devices: list[dpdk.DpdkDevice]) -> dict[str, Any]:
    """Return everything as schema 1; null is what a device does not say."""
    return {
        "schema": SCHEMA,
        "interfaces": [_interface(interface) for interface in found],
        "dpdk": [_device(device) for device in devices],
    }


def _interface(interface: interfaces.Interface) -> dict[str, Any]:
    values = dataclasses.asdict(interface)
    facts = values.pop("facts")
    return {**values, "bound": "kernel", **facts, "option": interface.option}


def _device(device: dpdk.DpdkDevice) -> dict[str, Any]:
    return {
        "devargs": device.devargs,
        "pci": None if device.pci is None else {**dataclasses.asdict(device.pci), "bound": device.pci.bound},
        "info": device.info,
        "problem": device.problem,
        "option": device.option,
    }


def _print_interfaces(found: list[interfaces.Interface], console: Console) -> None:
    table = _table("kernel interfaces", "interface", "where", "link", "rx queues", "rss", "merging", "capture")
    for interface in found:
        facts = interface.facts
        stamps = facts.timestamps.receive if facts.timestamps else []
        table.add_row(
            f"{interface.name}\n{interface.driver or interface.kind}",
            _where(interface.pci, interface.numa_node),
            f"{_link(interface)}\nMTU {interface.mtu}",
            f"{_of(facts.rx_queues, facts.rx_queues_max)}\n{_of(facts.rx_descriptors, facts.rx_descriptors_max)}",
            f"{_text(facts.rss.function if facts.rss else None)}\n{'+'.join(stamps) or NOT_KNOWN}",
            "\n".join(facts.merging) or NOT_KNOWN,
            interface.option or "not Ethernet",
        )
    console.print(table)


def _print_devices(devices: list[dpdk.DpdkDevice], console: Console) -> None:
    if not devices:
        console.print("no device is bound to a DPDK driver; --device DEVARGS shows a virtual one")
        return
    table = _table("DPDK devices", "device", "where", "link", "rx queues", "rss", "capture")
    for device in devices:
        info = device.info
        if info is None:
            continue
        bound = device.pci.bound if device.pci is not None else "virtual"
        speed = f"{info['speed_mbps']} Mb/s" if info["speed_mbps"] else "up"
        hashes = len(info["hash_types"])
        table.add_row(
            f"{device.devargs}\n{info['driver']}",
            _where(bound, info["numa_node"] if info["numa_node"] >= 0 else None),
            f"{speed if info['link_up'] else 'down'}\nMTU {info['mtu_max']}",
            f"{info['rx_queues_max']}\n{info['rx_descriptors_max'] or 'any'}",
            f"{f'{hashes} types' if hashes else NOT_KNOWN}\n"
            f"{'hardware' if 'TIMESTAMP' in info['rx_offloads'] else 'software'}",
            device.option,
        )
    if table.row_count:
        console.print(table)
    for device in devices:
        if device.problem is not None:
            console.print(f"{device.devargs}: {device.problem}", soft_wrap=True)


def _table(title: str, *headings: str) -> Table:
    second = {
        "interface": "driver",
        "device": "driver",
        "where": "NUMA node",
        "rx queues": "descriptors",
        "rss": "times",
    }
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for heading in headings:
        lines = f"{heading}\n{second[heading]}" if heading in second else heading
        table.add_column(lines, overflow="fold", no_wrap=heading not in ("interface", "device", "capture"))
    return table


def _where(where: str | None, node: int | None) -> str:
    return f"{where or NOT_KNOWN}\n{_text(node)}"


def _link(interface: interfaces.Interface) -> str:
    if not interface.up:
        return "off"
    if not interface.link:
        return "no carrier"
    return f"{interface.facts.speed_mbps} Mb/s" if interface.facts.speed_mbps else "up"


def _text(value: object) -> str:
    return NOT_KNOWN if value is None else str(value)


def _of(now: int | None, most: int | None) -> str:
    return NOT_KNOWN if most is None else f"{now} of {most}"
