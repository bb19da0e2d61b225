"""Threads beside the supervisor's."""

import signal
import threading
from collections.abc import Callable

from fastcapa.signals import STOP_SIGNALS


def start_thread(name: str, work: Callable[[], None]) -> threading.Thread:
    """Start a thread that does not keep the process alive, and that never takes a signal meant for the main thread."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # the new thread inherits the mask
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
