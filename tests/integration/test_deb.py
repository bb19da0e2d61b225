"""The Debian package in a bare system of the release that it was made on: installed, used, removed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import mount_namespace
from support.need import need

pytestmark = pytest.mark.deb
ROOT = Path(__file__).parents[2]
NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups"


class Bare:
    """A system in a directory, with nothing but Python and the authorities of the web."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, command: str) -> str:
        """Run a shell command there, in a mount namespace of its own; what it said."""
        mounts = [f"mount --rbind /{name} '{self.root}/{name}'" for name in ("proc", "dev", "sys")]
        lines = [*mounts, f"exec chroot '{self.root}' sh -ec '{command}'"]
        return mount_namespace.run(lines, "/usr/sbin:/usr/bin:/sbin:/bin")

    def files(self) -> set[Path]:
        """All there are, but for the package manager's own notes."""
        own = self.root / "var"
        return {path for path in self.root.rglob("*") if not path.is_relative_to(own)}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    need(os.geteuid() == 0, "debootstrap and chroot need root")
    need(shutil.which("debootstrap"), "no debootstrap; apt-get install debootstrap")
    release = platform.freedesktop_os_release().get("VERSION_CODENAME")
    need(release, "this is no release of Debian")
    root = tmp_path_factory.mktemp("debian")
    root.chmod(0o755)  # it is everybody's /
    words = ["debootstrap", "--variant=minbase", "--include=python3,ca-certificates", str(release), str(root)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    need(done.returncode == 0, f"no Debian to install into: {done.stdout[-300:]}")
    return Bare(root)


@contextmanager
def installed(bare: Bare) -> Iterator[None]:
    packages = list((ROOT / "build").glob("fastcapa_*.deb"))
    need(len(packages) == 1, "no package: `make deb` builds it")
    shutil.copy(packages[0], bare.root / "tmp/fastcapa.deb")
    bare.run("dpkg -i /tmp/fastcapa.deb")
    try:
        yield
    finally:
        bare.run("dpkg --purge fastcapa")
        (bare.root / "tmp/fastcapa.deb").unlink()


@pytest.mark.timeout(1200)
def test_it_comes_works_and_goes(bare: Bare) -> None:
    before = bare.files()
    with installed(bare):
        # None of what it carries is there otherwise.
        assert bare.run('ldconfig -p | grep -cE "librte_|librdkafka|libisal|libxdp" || true').strip() == "0"
        assert bare.run("fastcapa --version").startswith("fastcapa 0.")
        for who in ("", NOBODY):
            output = bare.run(f"cd /; {who} fastcapa demo")
            assert "unaccounted: 0" in output
            assert "5,000 frames, every key and every byte as it was sent" in output
        output = bare.run("fastcapa devices --json --device net_null0")
        assert '"net_null"' in output
        # Where a machine looks for what belongs to a command and a service.
        for path in (
            "usr/lib/systemd/system/fastcapa@.service",
            "usr/lib/sysusers.d/fastcapa.conf",
            "usr/share/man/man1/fastcapa-capture.1.gz",
            "usr/share/bash-completion/completions/fastcapa",
            "usr/share/zsh/vendor-completions/_fastcapa",
            "usr/share/doc/fastcapa/copyright",
        ):
            assert (bare.root / path).is_file(), path
        assert str(ROOT) not in bare.run("cat /usr/lib/fastcapa/pyvenv.cfg /usr/bin/fastcapa")
        # Nothing of it is written where it is used.
        assert bare.run("dpkg --verify fastcapa") == ""
    assert bare.files() - before == set()
