"""Where a system's certificate authorities are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastcapa.kafka import authorities


def test_the_first_place_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given, bundle, directory = tmp_path / "given.pem", tmp_path / "bundle.pem", tmp_path / "certs"
    monkeypatch.setenv("SSL_CERT_FILE", str(given))
    monkeypatch.setenv("SSL_CERT_DIR", str(directory))
    monkeypatch.setattr(authorities, "_FILES", (str(tmp_path / "missing"), str(bundle)))
    assert authorities.of_system() is None
    directory.mkdir()
    assert authorities.of_system() == str(directory)
    bundle.touch()
    assert authorities.of_system() == str(bundle)
    given.touch()
    assert authorities.of_system() == str(given)
