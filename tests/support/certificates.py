"""Certificates of an authority of our own, made with openssl(1). All files are PEM."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support.need import need

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        need(shutil.which("openssl"), "no openssl; apt-get install openssl")
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = directory / f"{name}.key"
        self.certificate = directory / f"{name}.pem"
        subject = ("-subj", f"/CN={name}", "-days", "2", "-nodes")
        _openssl("req", "-x509", *_KEY, *subject, "-keyout", self._key, "-out", self.certificate)

    def issue(self, name: str, *, alternative: str, days: int = 2) -> Path:
        """A key and its certificate, in one file; `alternative`: subjectAltName. With `days` below 0 it has expired."""
        key, request, signed = (self._directory / f"{name}.{end}" for end in ("key", "csr", "crt"))
        extensions = self._directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-nodes", "-keyout", key, "-out", request)
        authority = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *authority, "-days", days, "-extfile", extensions, "-out", signed)
        both = self._directory / f"{name}.pem"
        both.write_bytes(key.read_bytes() + signed.read_bytes())
        return both

    def encrypt_key(self, pair: Path, password: str) -> Path:
        """The key of a pair again, behind a password, in a file of its own."""
        path = pair.with_suffix(".encrypted")
        _openssl("pkcs8", "-topk8", "-in", pair, "-v2", "aes-256-cbc", "-passout", f"pass:{password}", "-out", path)
        return path


def _openssl(*words: object) -> None:
    command = ["openssl", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
