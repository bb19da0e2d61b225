"""Apache Kafka's jars: resolved by Maven from pom.xml, kept in a cache outside the repository."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from errors import KafkaToolError

POM = Path(__file__).with_name("pom.xml")


def cache_directory() -> Path:
    """FASTCAPA_CACHE, or fastcapa under the user's cache directory."""
    if own := os.environ.get("FASTCAPA_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastcapa"


def kafka_version() -> str:
    """The Kafka release that pom.xml pins."""
    match = re.search(r"<kafka\.version>(.+?)</kafka\.version>", POM.read_text())
    if match is None:
        raise KafkaToolError(f"{POM} pins no kafka.version")
    return match[1]


def find_program(name: str, package: str) -> str:
    """Path of a program, or an error that names the Debian package it comes in."""
    path = shutil.which(name)
    if path is None:
        raise KafkaToolError(f"{name} is not installed: run `make setup`, or `apt-get install {package}`")
    return path


def resolve(version: str | None = None) -> Path:
    """The directory that holds the jars; the first call downloads them, later ones run nothing.

    `version`: another release than the one that pom.xml pins, for those who upgrade.
    """
    version = version or kafka_version()
    directory = cache_directory() / f"kafka-{version}"
    # Written last: with the right hash in it, every jar of this very pom.xml is there.
    stamp = directory / ".complete"
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return directory

    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(directory, ignore_errors=True)
            _download(directory, version)
            stamp.write_text(wanted)
    return directory


def _download(directory: Path, version: str) -> None:
    maven = find_program("mvn", "maven")
    print(f"Resolving the jars of Kafka {version} into {directory} (once)", file=sys.stderr)
    command = [maven, "--quiet", "--batch-mode", "--file", str(POM), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={directory}", f"-Dkafka.version={version}"]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        reason = next((line for line in result.stdout.splitlines() if "ERROR" in line), "no message")
        raise KafkaToolError(
            f"Maven could not resolve Kafka's jars: {reason.strip()}; "
            f"check the connection to Maven Central and ~/.m2/settings.xml"
        )


if __name__ == "__main__":  # `make setup` fetches them ahead of the tests
    try:
        print(resolve())
    except KafkaToolError as error:
        sys.exit(f"kafka: {error}")
