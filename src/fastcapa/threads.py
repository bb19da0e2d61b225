"""Threads beside the main one, in the supervisor and in the engine."""

import signal
import threading
from collections.abc import Callable

from fastcapa._confine import keep_capabilities
from fastcapa.signals import STOP_SIGNALS


def start_thread(name: str, work: Callable[[], None], keep: int = 0) -> threading.Thread:
    """Start a thread that does not keep the process alive, and takes no signal meant for the main one.

    `keep`: the set of capabilities that it does not give up.
    """

    def run() -> None:
        keep_capabilities(keep)
        work()

    thread = threading.Thread(target=run, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # the new thread inherits the mask
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
