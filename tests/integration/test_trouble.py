"""What can be wrong before and during a capture: one line with the remedy, the exit code, and nothing left behind."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support import topics
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.kafka_reader import read_all
from support.need import need
from support.probe import Run, assert_identity, capture, fastcapa
from support.remains import nothing_left

# Root without its privileges: it may read what is its own, the interpreter among it, and nothing more.
UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
RUN_TIME_FAILURE, BAD_USAGE, LOSS = 1, 2, 3


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    with nothing_left(tmp_path / "temporary"):
        yield


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A capture of ten frames."""
    path = tmp_path / "ten.pcap"
    write_pcap(path, [Frame((1 + number) * 10**9, 100, udp_of_size(100, number)) for number in range(10)])
    return str(path)


def error_of(run: Run, status: int) -> str:
    """The line that says what is wrong: the only one, or the last one after the start was logged."""
    assert run.status == status, run.stderr
    assert run.stdout == ""
    lines = run.stderr.splitlines()
    assert lines[-1].startswith("fastcapa: "), run.stderr
    if status == BAD_USAGE and len(lines) > 1:
        # The engine found it: devices and clients say only themselves what they take.
        assert any(" -> topic " in line for line in lines[:-1]), run.stderr
    return lines[-1].removeprefix("fastcapa: ")


def refused(status: int, *arguments: str, prefix: tuple[str, ...] = (), timeout: float = 30) -> str:
    """Why a capture is refused."""
    run = fastcapa("capture", "--oversubscribe", *arguments, prefix=prefix, timeout=timeout)
    return error_of(run, status)


# ---- what was asked for ---------------------------------------------------------------------------------------------


BAD = {
    "tcp port": "filter 'tcp port': ",
    "-X no.such.key=1": "Kafka property 'no.such.key': No such configuration property",
    "-X linger.ms=soon": "Kafka property 'linger.ms': Invalid value",
    "-X linger.ms": "-X: 'linger.ms' is not key=value; write for example -X linger.ms=5",
    "-X statistics.interval.ms=5": "is set by fastcapa itself",
    "-X acks=1": "add -X enable.idempotence=false",
    "-X retries=0": "add -X enable.idempotence=false",
    "-X max.in.flight=6": "add -X enable.idempotence=false",
    "-X enable.idempotence=true -X acks=0": "`acks` must be set to `all`",
    "-X message.timeout.ms=10 --producer librdkafka": "`message.timeout.ms` must be greater than `linger.ms`",
    "-X transactional.id=x": "a capture is no transaction",
    "-X security.protocol=none": "Kafka property 'security.protocol': Invalid value",
    "-X sasl.mechanisms=NONE -X security.protocol=SASL_PLAINTEXT": "Unsupported SASL mechanism",
    "-F /nonexistent": "/nonexistent: No such file or directory; -F wants",
    "-F /dev/null/x": "-F wants a readable file",
    "-t bad/name": "'bad/name' cannot be a topic; a name is 1 to 249 characters",
    "--tx-ring 1000": "--tx-ring 1000: a power of two is needed, such as 512 or 1024",
    "--rx-burst 0": "--rx-burst 0: ",
    "-c -1": "--count -1: ",
    "-i lo -i lo": "lo is given twice",
    "-i ''": "a source has no name",
    "--rx-descriptors 99999": "--rx-descriptors 99999: ",
    "--report /nonexistent/report": "there is no directory /nonexistent",
    "--report /tmp": "--report /tmp: is a directory",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_usage(kafka: str, topic: str, file: str, words: str) -> None:
    assert BAD[words] in refused(BAD_USAGE, "-b", kafka, "-t", topic, "-r", file, *shlex.split(words))
    assert topics.records_in(kafka, topic) == 0


def test_a_secret_is_not_shown(kafka: str, file: str) -> None:
    for key in ("sasl.password", "ssl.key.password", "sasl.passwort"):
        run = fastcapa("capture", "-b", kafka, "-t", "t", "-r", file, "-X", f"{key}=hunter2", "-X", "no.such=1")
        assert run.status == BAD_USAGE
        assert "hunter2" not in run.stderr


def test_properties_file(kafka: str, topic: str, file: str, tmp_path: Path) -> None:
    properties = tmp_path / "kafka.ini"
    properties.write_text(f"[kafka-global]\nbootstrap.servers = {kafka}\n[kafka-topic]\ncompression.codec = zstd\n")
    run = fastcapa("capture", "--oversubscribe", "-F", str(properties), "-t", topic, "-r", file)
    assert run.status == 0, run.stderr
    assert topics.records_in(kafka, topic) == 10
    properties.write_text("linger.ms=5\n[kafka-other]\n")
    assert f"{properties}:2: unknown group [kafka-other]" in refused(
        BAD_USAGE, "-b", kafka, "-F", str(properties), "-t", topic, "-r", file
    )
    properties.write_bytes(b"\xff\xfe")
    assert "not a text file" in refused(BAD_USAGE, "-b", kafka, "-F", str(properties), "-t", topic, "-r", file)


def test_no_topic_no_broker_no_source(kafka: str, file: str) -> None:
    assert "give -t TOPIC" in refused(BAD_USAGE, "-b", kafka, "-r", file)
    assert "give -b HOST:PORT" in refused(BAD_USAGE, "-t", "t", "-r", file)
    assert "give -i INTERFACE, -r FILE or --device DEVARGS" in refused(BAD_USAGE, "-b", kafka, "-t", "t")


def test_more_workers_than_cpus(kafka: str, file: str) -> None:
    workers = str(min(16, os.cpu_count() or 1))
    need(int(workers) == os.cpu_count(), "too many CPUs to run out of them")
    run = fastcapa("capture", "-b", kafka, "-t", "t", "-r", file, "--tx-workers", workers)
    assert "or add --oversubscribe" in error_of(run, BAD_USAGE)


def test_more_queues_than_cpus(kafka: str, topic: str, file: str) -> None:
    cpus = len(os.sched_getaffinity(0))
    need(cpus < 32, "too many CPUs to run out of them")
    queues = ("-b", kafka, "-t", topic, "-r", file, "--rx-queues", str(cpus + 1))
    text = error_of(fastcapa("capture", *queues), BAD_USAGE)
    assert f"{2 * (cpus + 1)} workers" in text
    assert f"{cpus} CPU" in text
    assert "or add --oversubscribe" in text
    assert topics.records_in(kafka, topic) == 0
    report = capture(kafka, topic, *queues[4:])  # which has --oversubscribe
    assert len(report["workers"]) == 2 * (cpus + 1)
    assert len(read_all(kafka, topic)) == report["kafka"]["delivered"] == 10


# ---- files ----------------------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(kafka: str, topic: str, file: str, tmp_path: Path) -> None:
    content = Path(file).read_bytes()
    cases = {"empty": b"", "text": b"this is no capture file\n", "header cut off": content[:10]}
    for name, data in {**cases, "first frame cut off": content[:50]}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "locked").write_bytes(content)
    (tmp_path / "locked").chmod(0)
    os.mkfifo(tmp_path / "pipe")
    for name, message in {
        "empty": "is empty",
        "text": "unknown file format; a whole file in pcap or pcapng format is needed",
        "header cut off": "truncated dump file",
        "first frame cut off": "truncated dump file",
        "absent": "No such file or directory",
        ".": "Is a directory",
        "locked": "Permission denied",
        "pipe": "is not a regular file",
    }.items():
        path = str(tmp_path / name)
        prefix = UNPRIVILEGED if name == "locked" else ()
        run = fastcapa("capture", "-b", kafka, "-t", topic, "-r", path, prefix=prefix, timeout=30)
        assert len(run.stderr.splitlines()) == 1
        text = error_of(run, RUN_TIME_FAILURE)
        assert message in text
        assert path.removesuffix("/.") in text
    assert topics.records_in(kafka, topic) == 0


def test_a_file_cut_off_later_delivers_what_is_whole(kafka: str, topic: str, file: str) -> None:
    path = Path(file)
    path.write_bytes(path.read_bytes()[:-30])
    run = fastcapa("capture", "--oversubscribe", "-b", kafka, "-t", topic, "-r", file, "--report", "-")
    assert run.status == RUN_TIME_FAILURE
    assert_identity(run.report)
    assert len(read_all(kafka, topic)) == run.report["kafka"]["delivered"] == 9
    assert f"fastcapa: {file}: truncated dump file; tried to read 100 captured bytes, only got 70" in run.stderr
    assert "the source failed before its end" in run.stderr.splitlines()[-1]


def test_a_file_of_no_frames(kafka: str, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "none.pcap"
    write_pcap(path, [])
    assert capture(kafka, topic, "-r", str(path))["source"]["in"] == 0


# ---- interfaces and devices -----------------------------------------------------------------------------------------


def test_no_such_interface(kafka: str, topic: str) -> None:
    text = refused(RUN_TIME_FAILURE, "-b", kafka, "-t", topic, "-i", "nosuch0")
    assert text == "no such interface: nosuch0 (`ip link` lists them)"


def test_no_privilege(kafka: str, topic: str, file: str) -> None:
    need(os.geteuid() == 0, "only root can give up privileges")
    text = refused(RUN_TIME_FAILURE, "-b", kafka, "-t", topic, "-i", "lo", prefix=UNPRIVILEGED)
    assert text == "no permission to capture on lo: run as root or with the capability CAP_NET_RAW"
    text = refused(BAD_USAGE, "-b", kafka, "-t", topic, "-i", "lo", "--check", prefix=UNPRIVILEGED)
    assert text == "no permission to capture on lo: run as root or with the capability CAP_NET_RAW"
    for device, lacking in {
        "net_af_xdp0,iface=lo": "CAP_NET_RAW and CAP_NET_ADMIN",
        "net_tap0": "CAP_NET_ADMIN",
        "net_pcap0,iface=lo": "CAP_NET_RAW",
    }.items():
        text = refused(RUN_TIME_FAILURE, "-b", kafka, "-t", topic, "--device", device, prefix=UNPRIVILEGED)
        assert text == f"no permission to open {device}: run as root or with {lacking}"
    # A file needs none.
    report = capture(kafka, topic, "-r", file, prefix=UNPRIVILEGED)
    assert report["kafka"]["delivered"] == 10


@pytest.mark.parametrize(
    "device", ["nonsense", "net_nonsense0", "0000:ff:1f.7", "net_af_xdp0,iface=nosuch0", "net_null0,nonsense=1"]
)
def test_a_device_that_is_none(kafka: str, topic: str, device: str) -> None:
    text = refused(RUN_TIME_FAILURE, "-b", kafka, "-t", topic, "--device", device)
    assert text.startswith(f"cannot open DPDK device '{device}': ")
    assert "not permitted" not in text


def test_more_descriptors_than_a_device_takes(kafka: str, topic: str) -> None:
    need(os.geteuid() == 0, "no privilege for af_xdp; run as root")
    words = ("--device", "net_af_xdp0,iface=lo", "--rx-descriptors", "32768")
    text = refused(BAD_USAGE, "-b", kafka, "-t", topic, *words)
    assert "32768 descriptors" in text
    assert "try fewer" in text


# ---- topics ---------------------------------------------------------------------------------------------------------


def test_a_topic_that_nobody_makes(kafka_without_auto_create: str, file: str) -> None:
    text = refused(RUN_TIME_FAILURE, "-b", kafka_without_auto_create, "-t", "nobody", "-r", file)
    assert text.startswith("topic 'nobody' does not exist on ")
    assert f"--bootstrap-server {kafka_without_auto_create} --create --topic nobody" in text


def test_frames_larger_than_the_topic_takes(kafka: str, tmp_path: Path) -> None:
    topic = topics.create(kafka, 1, max_message_bytes="1000")
    sizes = [60, 500, 850, 890, 1000, 1514, 9000, 65_000, 64]
    frames = [udp_of_size(size, number) for number, size in enumerate(sizes)]
    path = tmp_path / "sizes.pcap"
    write_pcap(path, [Frame(10**18 + number, len(frame), frame) for number, frame in enumerate(frames)])
    report = capture(kafka, topic, "-r", str(path))
    kept = [frame for frame in frames if len(frame) < 900]
    assert [record.value for record in read_all(kafka, topic)] == kept
    assert (report["tx"]["refused"], report["kafka"]["delivered"]) == (len(frames) - len(kept), len(kept))
    run = fastcapa("capture", "--oversubscribe", "-b", kafka, "-t", topic, "-r", str(path), "--fail-on-loss")
    assert "4 packets were lost, and --fail-on-loss is set" in error_of(run, LOSS)


def test_an_old_capture_into_a_topic_that_forgets(kafka: str, file: str) -> None:
    old = topics.create(kafka, retention_ms="604800000")
    run = fastcapa("capture", "--oversubscribe", "-b", kafka, "-t", old, "-r", file)
    assert run.status == 0
    warnings = [line for line in run.stderr.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert "frames from 1970-01-01 are older than the topic keeps (retention.ms = 604800000)" in warnings[0]
    assert "retention.ms=-1" in warnings[0]
    assert "--timestamps now" in warnings[0]
    for words in (("-t", old, "--timestamps", "now"), ("-t", topics.create(kafka))):
        run = fastcapa("capture", "--oversubscribe", "-b", kafka, "-r", file, *words)
        assert (run.status, "warning" in run.stderr) == (0, False)


# ---- reports --------------------------------------------------------------------------------------------------------


def test_a_report_that_does_not_fit(kafka: str, topic: str, file: str) -> None:
    text = refused(RUN_TIME_FAILURE, "-b", kafka, "-t", topic, "-r", file, "--report", "/dev/full")
    assert text == "cannot write the report to /dev/full: No space left on device"
    assert topics.records_in(kafka, topic) == 10


def test_a_full_disk_leaves_the_report_that_was_there(kafka: str, topic: str, file: str, tmp_path: Path) -> None:
    need(os.geteuid() == 0, "no privilege to mount a small file system; run as root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        target = disk / "report.json"
        target.write_text("the report of yesterday\n")
        with suppress(OSError), (disk / "rest").open("wb", buffering=0) as rest:
            while True:
                rest.write(bytes(4096))
        text = refused(RUN_TIME_FAILURE, "-b", kafka, "-t", topic, "-r", file, "--report", str(target))
        assert text == f"cannot write the report to {target}: No space left on device"
        assert target.read_text() == "the report of yesterday\n"
        assert {path.name for path in disk.iterdir()} == {"report.json", "rest"}
        (disk / "rest").unlink()
        run = fastcapa("capture", "--oversubscribe", "-b", kafka, "-t", topic, "-r", file, "--report", str(target))
        assert run.status == 0, run.stderr
        assert json.loads(target.read_text())["kafka"]["delivered"] == 10
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_report_where_one_may_not_write(kafka: str, file: str, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    target = tmp_path / "locked" / "report.json"
    text = refused(BAD_USAGE, "-b", kafka, "-t", "t", "-r", file, "--report", str(target), prefix=UNPRIVILEGED)
    assert text == f"--report {target}: this user may not write it; name another file"


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_hugepages_that_are_gone_when_they_are_needed(kafka: str, topic: str, file: str, tmp_path: Path) -> None:
    pages = "hugepages/hugepages-2048kB/free_hugepages"
    free = Path("/sys/kernel/mm", pages)
    need(os.geteuid() == 0 and free.exists(), "no privilege, or no hugepages of 2 MiB; run as root on x86-64")
    need(int(free.read_text()) == 0, "there are free hugepages, which cannot be gone at the same time")
    claimed = tmp_path / "free"
    claimed.write_text("100000")  # what others took between plan and start
    # The sum, and what each NUMA node says: the plan reads the nodes, DPDK reads both.
    files = [free, *(node / pages for node in sorted(Path("/sys/devices/system/node").glob("node[0-9]*")))]
    mounts = [f"mount --bind {shlex.quote(str(claimed))} {path}" for path in files if path.exists()]
    prefix = ("unshare", "-m", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh")
    run = fastcapa("capture", "--oversubscribe", "-b", kafka, "-t", topic, "-r", file, prefix=prefix)
    assert run.status == 0, run.stderr
    assert "in hugepages" in run.stderr
    assert "no hugepages after all" in run.stderr
    assert topics.records_in(kafka, topic) == 10


def test_no_address_space_for_the_packet_memory(kafka: str, topic: str, file: str) -> None:
    # The supervisor runs in that; the engine's packet memory does not fit besides.
    limited = ("prlimit", f"--as={1 << 30}", "--")
    options = ("-b", kafka, "-t", topic, "-r", file, "--tx-ring", "262144")
    text = refused(RUN_TIME_FAILURE, *options, prefix=limited)
    assert text.startswith("DPDK does not start: Cannot allocate memory (")
    assert "use a smaller --tx-ring" in text
    assert topics.records_in(kafka, topic) == 0
