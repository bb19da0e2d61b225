"""What one writes in an afternoon: libpcap's packets to Kafka, in a loop in Python.

Runs in an environment of its own (pcapy-ng, confluent-kafka; see compare.py): it is compared with, and no part of the
project. Message and key are Fastcapa's. SIGINT ends it: it flushes and says what it counted, as JSON.

    python pcap_loop.py INTERFACE BOOTSTRAP TOPIC RING_MIB
"""

import json
import select
import signal
import struct
import sys

import pcapy
from confluent_kafka import Producer

FLUSH_S = 60
TIMEOUT_MS = 100


def main() -> None:
    """Capture until SIGINT."""
    interface, bootstrap, topic, ring_mib = sys.argv[1:]
    stop = False
    counts = {"captured": 0, "delivered": 0, "failed": 0}

    def end(*_: object) -> None:
        nonlocal stop
        stop = True

    def delivered(error: object, _: object) -> None:
        counts["failed" if error else "delivered"] += 1

    signal.signal(signal.SIGINT, end)
    capture = pcapy.create(interface)
    capture.set_snaplen(262_144)
    capture.set_promisc(1)
    capture.set_timeout(TIMEOUT_MS)
    capture.set_buffer_size(int(ring_mib) << 20)
    capture.activate()
    capture.setnonblock(1)  # while nothing comes a blocking read does not return, and no signal is seen
    producer = Producer({"bootstrap.servers": bootstrap})
    print("listening", file=sys.stderr, flush=True)
    while not stop:
        header, frame = capture.next()
        if header is None:
            producer.poll(0)
            select.select([capture.getfd()], [], [], TIMEOUT_MS / 1000)
            continue
        counts["captured"] += 1
        seconds, microseconds = header.getts()
        key = struct.pack(">Q", seconds * 1_000_000 + microseconds)
        while True:
            try:
                producer.produce(topic, key=key, value=frame, on_delivery=delivered)
                break
            except BufferError:  # the library's queue is full: the kernel's ring has to hold what comes
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(FLUSH_S)
    print(json.dumps(counts | {"dropped": capture.stats()[1]}), flush=True)


if __name__ == "__main__":
    main()
