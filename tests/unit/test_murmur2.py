"""The hash of `--partition key` is the one of Kafka's other clients."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2
from support.c_programs import build


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    shared = tmp_path_factory.mktemp("murmur2") / "murmur2.so"
    build(shared, [], ["producer/murmur2.c", "-shared", "-fPIC"], sanitizers=[])
    loaded = ctypes.CDLL(str(shared))
    loaded.fc_murmur2.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    loaded.fc_murmur2.restype = ctypes.c_uint32
    return loaded


@settings(max_examples=300)
@given(st.binary(max_size=50))
def test_same_as_kafka_python(library: ctypes.CDLL, key: bytes) -> None:
    assert library.fc_murmur2(key, len(key)) == murmur2(key) & 0xFFFFFFFF
