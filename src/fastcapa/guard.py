"""What a process does about the secrets that it was given: warns of those that others can read, and keeps them in."""

import argparse
from collections.abc import Iterable, Iterator, Sequence

from fastcapa import secret
from fastcapa.host import process
from fastcapa.kafka import properties, secret_properties
from fastcapa.kafka.properties import COMMAND_LINE, Property
from fastcapa.kafka.secret_properties import FILE, SECRETS, VARIABLE
from fastcapa.log import Level, log


def load(args: argparse.Namespace) -> dict[str, str]:
    """Return the Kafka properties of a subcommand's arguments, guarded; raise UsageError."""
    merged = properties.merge(properties.given(args.brokers, args.kafka_config, args.properties))
    guard(merged)
    return {each.key: each.value for each in merged}


def guard(given: Sequence[Property], *, others: bool = False) -> None:
    """Warn of secrets that others can read; with a secret, or `others` in this process, it leaves no core dump."""
    for warning in warnings(given):
        log(warning, Level.WARNING)
    if others or secret_properties.held([each.key for each in given]):
        process.forbid_dumps()


def warnings(given: Iterable[Property]) -> Iterator[str]:
    """Yield a line for each secret that was given in a way that shows it to others."""
    for each in given:
        if each.key not in SECRETS:
            continue
        if each.elsewhere is not None:
            form, name = each.elsewhere[0].removeprefix(each.key), each.elsewhere[1]
            if form == FILE and secret.read_by_others(name):
                yield f"{name}, with {each.key}, can be read by every user of this host; chmod o= {name}"
        elif each.place == COMMAND_LINE:
            yield (
                f"-X {each.key}=... is in the shell's history, and every user of this host can see it while we start;"
                f" give -X {each.key}{FILE}=PATH or {each.key}{VARIABLE}=VARIABLE"
            )
        elif secret.read_by_others(name := each.place.rpartition(":")[0]):
            yield (
                f"{each.place}: {each.key} can be read by every user of this host; chmod o= {name}, or give"
                f" {each.key}{FILE}"
            )
