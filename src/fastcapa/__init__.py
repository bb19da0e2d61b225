"""Fastcapa: a packet-to-Kafka probe."""

from fastcapa._version import __version__ as __version__
