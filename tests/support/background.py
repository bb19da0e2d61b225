"""What goes on in a thread of its own while a `with` lasts."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Background(ABC):
    """Its thread runs _run(), which ends soon after `_ended` is set; then _free() frees what the two have used."""

    def __init__(self, name: str) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._free()

    @abstractmethod
    def _run(self) -> None: ...

    def _free(self) -> None:  # noqa: B027 -- most have something to free, not all
        pass
