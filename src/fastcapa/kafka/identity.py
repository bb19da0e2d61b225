"""Producer ids: one for each tx worker, and another one when a worker's is not valid any more."""

import time

from fastcapa.errors import RunTimeError
from fastcapa.kafka.backoff import Backoff
from fastcapa.kafka.cluster import Cluster
from fastcapa.kafka.connection import AuthenticationFailed
from fastcapa.kafka.data_plane import DataPlane
from fastcapa.kafka.direct import DirectSettings
from fastcapa.kafka.tasks import Tasks
from fastcapa.kafka.troubles import Troubles

_Identity = tuple[int, int]  # producer id, epoch


class Identities:
    """Who needs one, and who is about to get one."""

    def __init__(
        self,
        pipeline: DataPlane,
        cluster: Cluster,
        settings: DirectSettings,
        tasks: Tasks,
        troubles: Troubles,
        *,
        workers: int,
    ) -> None:
        """`workers`: how many there are, over all rings."""
        self._pipeline = pipeline
        self._cluster = cluster
        self._tasks = tasks
        self._troubles = troubles
        self._backoff = Backoff(settings.reconnect_backoff_ms / 1000, settings.reconnect_backoff_max_ms / 1000)
        self._needy = list(range(workers))  # in order of their asking
        self._made: dict[int, _Identity] = {}  # not yet handed over, by worker
        self._running = False
        self._due = 0.0  # monotonic

    def prepare(self) -> None:
        """Get one for each worker. Blocks; raises RunTimeError."""
        while self._needy:
            self._made[self._needy[0]] = self._cluster.producer_id()
            del self._needy[0]

    def ask(self, worker: int, reason: str) -> None:
        """Take a question of the data plane: this worker needs another one."""
        if worker in self._made or worker in self._needy:
            return
        self._troubles.failed(
            ("producer id", worker), f"tx worker {worker} needs another producer id{_because(reason)}"
        )
        self._needy.append(worker)

    def step(self) -> None:
        """Hand over what is made, and begin to make what is due."""
        for worker, identity in list(self._made.items()):
            if self._pipeline.direct_producer_id(worker, *identity):
                del self._made[worker]
                self._troubles.worked(("producer id", worker), f"tx worker {worker} has another producer id")
        if self._needy and not self._running and time.monotonic() >= self._due:
            self._running = True
            self._tasks.start(self._cluster.producer_id, self._ended)

    def _ended(self, result: _Identity | Exception) -> None:
        self._running = False
        if isinstance(result, RunTimeError):
            self._troubles.failed("producer id", str(result))
            refused = isinstance(result, AuthenticationFailed)
            self._due = time.monotonic() + (self._backoff.at_most() if refused else self._backoff.next())
        elif isinstance(result, Exception):
            raise result
        else:
            self._backoff.reset()
            self._troubles.worked("producer id", "brokers give producer ids again")
            self._made[self._needy.pop(0)] = result


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
