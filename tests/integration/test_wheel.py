"""The wheel in a virtual environment on a machine without headers, DPDK, or any of the libraries that it carries."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import mount_namespace
from support.need import need

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parents[2]
SYSTEM = Path("/usr/lib/x86_64-linux-gnu")
# Python and the shell are linked with these: they stay.
PYTHONS_OWN = re.compile(r"lib(z|ssl|crypto|lzma|systemd|cap|gcrypt|gpg-error|lz4|zstd|bsd|md)\.so")


@pytest.fixture(scope="module")
def wheel() -> Path:
    found = list((ROOT / "build/wheelhouse").glob("*.whl"))
    need(len(found) == 1, "no wheel: `make wheel` builds it")
    return found[0]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel; the Python packages that it depends on are those of this one."""
    path = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    (site,) = path.glob("lib/python*/site-packages")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        path / "bin/python",
    ]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], check=True)
    others = next(Path(p) for p in sys.path if p.endswith("site-packages"))
    (site / "dependencies.pth").write_text(f"{others}\n")  # after its own packages
    return path


def carried(wheel: Path) -> list[str]:
    names = zipfile.ZipFile(wheel).namelist()
    return [re.sub(r"-[0-9a-f]{8}(?=\.)", "", Path(n).name) for n in names if n.startswith("fastcapa.libs/")]


def hidden(wheel: Path) -> list[Path]:
    stems = {re.split(r"[.-]\d|\.so", name)[0] for name in carried(wheel) if not PYTHONS_OWN.match(name)}
    libraries = [file for stem in stems for file in SYSTEM.glob(f"{stem}[.-]*so*")]
    assert len(stems) > 8, stems
    found = {file.resolve() for file in [*libraries, *SYSTEM.glob("librte_*")]}
    return sorted(file for file in found if file.parent == SYSTEM)  # the drivers' directory is hidden as a whole


def in_bare_machine(wheel: Path, environment: Path, command: str) -> str:
    """Run a shell command in a mount namespace of its own in which those files are empty."""
    need(os.geteuid() == 0, "mount namespaces need root")
    lines = [f"mount -t tmpfs none /usr/include; mount -t tmpfs none {SYSTEM}/dpdk"]
    lines += [f"mount --bind /dev/null {file}" for file in hidden(wheel)]
    # That they are gone is shown by what loads one.
    lines += [f"! {sys.executable} -c 'import ctypes; ctypes.CDLL(\"librdkafka.so.1\")' 2>/dev/null", command]
    return mount_namespace.run(lines, f"{environment}/bin:/usr/bin:/bin")


def test_libraries_are_its_own(wheel: Path, environment: Path) -> None:
    (site,) = environment.glob("lib/python*/site-packages")
    output = in_bare_machine(wheel, environment, f"ldd {site}/fastcapa/_dataplane.abi3.so")
    assert "not found" not in output
    paths = re.findall(r"=> (\S+) \(", output)
    outside = {Path(path).name for path in paths if not path.startswith(str(site))}
    assert outside <= {"libc.so.6", "libm.so.6", "libz.so.1"}, outside  # which manylinux takes for granted


def test_version_and_devices(wheel: Path, environment: Path) -> None:
    assert in_bare_machine(wheel, environment, "fastcapa --version").startswith("fastcapa 0.")
    output = in_bare_machine(wheel, environment, "fastcapa devices --device net_null0 --device net_ring0 --json")
    assert '"net_null"' in output
    assert '"net_ring"' in output


def test_demo(wheel: Path, environment: Path) -> None:
    output = in_bare_machine(wheel, environment, "fastcapa demo")
    assert "unaccounted: 0" in output
    assert "5,000 frames, every key and every byte as it was sent" in output


def test_tag_and_contents(wheel: Path, tmp_path: Path) -> None:
    assert re.fullmatch(r"fastcapa-[\d.]+-cp311-abi3-manylinux_2_\d\d_x86_64\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        file.extractall(tmp_path)
    assert not [name for name in names if name.endswith((".a", ".o", ".h", ".c", ".pyx"))]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert str(ROOT).encode() not in path.read_bytes(), path
    metadata = next(tmp_path.glob("*.dist-info/METADATA")).read_text()
    assert "License-Expression: Apache-2.0\n" in metadata
    for line in re.findall(r"^License-File: (.+)$", metadata, re.M):
        assert next(tmp_path.glob("*.dist-info/licenses")).joinpath(line).is_file(), line
    for package in ("libdpdk-dev", "librdkafka1", "libssl3", "libisal2", "libpcap0.8"):
        assert f"License-File: bundled/{package}.txt" in metadata
