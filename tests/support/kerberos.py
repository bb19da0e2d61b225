"""A KDC of the test's own: MIT Kerberos from Debian's packages, on loopback, with all of its files in one directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from ports import pick
from process import Process, spawn

from support.live import wait_until
from support.need import need

REALM = "FASTCAPA.TEST"
CLIENT = "probe"
_PROGRAMS = {"krb5kdc": "krb5-kdc", "kdb5_util": "krb5-kdc", "kadmin.local": "krb5-admin-server", "kinit": "krb5-user"}


@dataclass
class Kdc:
    """It, and what clients need."""

    directory: Path
    port: int
    environment: dict[str, str]
    """For every process that has to do with this realm and no other."""
    process: Process | None = None

    @property
    def krb5_conf(self) -> Path:
        return self.directory / "krb5.conf"

    @property
    def log(self) -> Path:
        """What was asked for, and what the KDC answered."""
        return self.directory / "kdc.log"

    def start(self) -> None:
        """Start it; return when it answers."""
        before = self._said()
        command = ["env", *(f"{name}={value}" for name, value in self.environment.items()), _program("krb5kdc"), "-n"]
        self.process = spawn(command, self.directory / "output", die_with_parent=True)
        wait_until(lambda: self._said() > before, timeout=30)

    def stop(self) -> None:
        """End it, as a crash would."""
        if self.process is not None:
            self.process.signal(SIGKILL)
            self.process.wait(10)
            self.process = None

    def principal(self, name: str, *options: str) -> Path:
        """A keytab with a new principal of this name in it; one that is there gets a new key."""
        keytab = self.directory / f"{name.replace('/', '-')}.keytab"
        keytab.unlink(missing_ok=True)
        self._admin(f"addprinc {' '.join(options)} -randkey {name}")
        self._admin(f"ktadd -k {keytab} {name}")
        return keytab

    def change_key(self, name: str, keytab: Path) -> Path:
        """The keytab as it was, while the principal has another key now."""
        old = keytab.with_suffix(".old.keytab")
        shutil.copyfile(keytab, old)
        self._admin(f"ktadd -k {keytab} {name}")
        return old

    def tickets(self, keytab: Path, name: str, *options: str) -> Path:
        """A file of tickets, as kinit leaves it."""
        cache = self.directory / f"tickets-{name}"
        self.run(_program("kinit"), *options, "-c", f"FILE:{cache}", "-k", "-t", str(keytab), name)
        return cache

    def run(self, *command: str) -> str:
        """Run a program of Kerberos; its output. Raises if it fails."""
        result = subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout

    def _admin(self, query: str) -> None:
        self.run(_program("kadmin.local"), "-r", REALM, "-q", query)

    def _said(self) -> int:
        return self.log.read_text().count("commencing operation") if self.log.exists() else 0


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    need(path, f"no {name}; apt-get install {_PROGRAMS[name]}")
    assert path is not None
    return path


@contextmanager
def kdc(directory: Path) -> Iterator[Kdc]:
    """One that runs, with nobody in its database."""
    directory.mkdir(parents=True)
    (port,) = pick("127.0.0.1", 1)
    environment = {
        "KRB5_CONFIG": str(directory / "krb5.conf"),
        "KRB5_KDC_PROFILE": str(directory / "kdc.conf"),
    }
    made = Kdc(directory, port, environment)
    made.krb5_conf.write_text(
        f"""[libdefaults]
  default_realm = {REALM}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {REALM} = {{
    kdc = 127.0.0.1:{port}
  }}
"""
    )
    (directory / "kdc.conf").write_text(
        f"""[realms]
  {REALM} = {{
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
    database_name = {directory}/principal
    key_stash_file = {directory}/stash
    acl_file = {directory}/acl
    supported_enctypes = aes256-cts:normal
  }}
[logging]
  kdc = FILE:{made.log}
"""
    )
    made.run(_program("kdb5_util"), "create", "-s", "-P", "fastcapa", "-r", REALM)
    made.start()
    try:
        yield made
    finally:
        made.stop()
