"""TCP ports: which are free, and whether a broker answers on one."""

from __future__ import annotations

import random
import socket
import struct


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier server in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def pick(host: str, count: int) -> list[int]:
    """Free ports below Linux's ephemeral range, so that no outgoing connection takes one meanwhile."""
    chosen: list[int] = []
    for port in random.sample(range(20000, 32768), 12768):
        if is_free(host, port):
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise OSError(f"fewer than {count} free ports from 20000 to 32767 on {host}")


def brokers_seen_by(host: str, port: int, timeout: float = 2.0) -> int:
    """How many brokers a broker knows of; 0 if it does not answer yet.

    One Metadata request, version 4 (https://kafka.apache.org/protocol#The_Messages_Metadata), for no
    topic. The response starts with correlation id, throttle time and the number of brokers.
    """
    api_key, version, correlation, no_client_id, no_topics, no_auto_create = 3, 4, 1, -1, 0, 0
    request = struct.pack(">hhihi?", api_key, version, correlation, no_client_id, no_topics, bool(no_auto_create))
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = b""
            while len(head) < 16:
                part = connection.recv(16 - len(head))
                if not part:
                    return 0
                head += part
    except OSError:
        return 0
    brokers: int = struct.unpack(">iiii", head)[3]
    return brokers
