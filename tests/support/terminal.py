"""A terminal that a program writes to, and what it shows then."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Sequence

import pyte


class Terminal:
    """A program with its standard error on a terminal of that size; standard output goes nowhere."""

    def __init__(self, command: Sequence[str], *, columns: int = 80, lines: int = 40) -> None:
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self._lock = threading.Lock()
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [*command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._slave,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._master, 65536)
            except OSError:  # everybody has closed the other end
                return
            with self._lock:
                self._stream.feed(piece)

    def shown(self) -> list[str]:
        """The lines on the screen, without those that are empty."""
        with self._lock:
            return [line.rstrip() for line in self.screen.display if line.strip()]

    def everything(self) -> list[str]:
        """Those that went out at the top, too."""
        with self._lock:
            columns = self.screen.columns
            above = ["".join(row[k].data for k in range(columns)).rstrip() for row in self.screen.history.top]
        return above + self.shown()

    def stop_output(self) -> None:
        """As Ctrl-S does."""
        termios.tcflow(self._slave, termios.TCOOFF)

    def go_on(self) -> None:
        """As Ctrl-Q does."""
        termios.tcflow(self._slave, termios.TCOON)

    def end(self, timeout: float = 60) -> int:
        """Wait for the program, and until all is shown; its exit code."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            os.close(self._slave)
            self._reader.join(10)
            os.close(self._master)
        return status
