"""Reports of a capture: one file that is replaced, or many, named by strftime(3) as with `tcpdump -G`."""

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from fastcapa.config import CaptureConfig
from fastcapa.errors import RunTimeError, UsageError
from fastcapa.report.file import check_target, write_report
from fastcapa.stats import Report


class ReportFiles:
    """Where reports go, `pattern`: a name in which conversions stand for the local time; "-" is standard output."""

    def __init__(self, pattern: str, keep: int = 0) -> None:
        """`keep`: so many are left of those that the pattern has made, the newest; 0: all of them."""
        self._pattern = pattern
        self._keep = keep
        self._varies = "%" in pattern

    @classmethod
    def of(cls, config: CaptureConfig) -> "ReportFiles | None":
        """Return those of a configuration, None if none are wanted."""
        return None if config.report is None else cls(config.report, config.report_keep)

    def check(self) -> None:
        """Raise UsageError now for what could not be written at the end of a long run, or later not be told apart."""
        name = self._name(time.time())
        check_target(name)
        parent = Path(name).parent
        if self._varies and not os.access(parent, os.W_OK):
            raise UsageError(f"--report {self._pattern}: this user may not write to {parent}; name another directory")
        if not self._keep:
            return
        if not self._varies:
            raise UsageError(
                f"--report-keep {self._keep}: --report {self._pattern} is one, not many; give it a time, such as"
                " report-%Y%m%d-%H%M%S.json"
            )
        if not self._makes(name):
            raise UsageError(
                f"--report-keep {self._keep}: a name such as {Path(name).name} does not tell again what time it stands"
                f" for; use %Y, %m, %d, %H, %M and %S in --report {self._pattern}"
            )

    def write(self, report: Report, *, final: bool) -> None:
        """Write a report, and remove those that are too many; raises RunTimeError if that fails."""
        now = time.time()
        write_report({"final": final, "written_at": round(now, 3)} | report, self._name(now))
        if not self._keep:
            return
        try:
            for path in self._made()[: -self._keep]:
                path.unlink(missing_ok=True)
        except OSError as error:
            where = Path(self._pattern).parent
            raise RunTimeError(f"--report-keep: cannot remove older reports in {where}: {error.strerror}") from None

    def _name(self, when: float) -> str:
        if not self._varies:
            return self._pattern
        try:
            name = time.strftime(self._pattern, time.localtime(when))
        except ValueError as error:  # a lone surrogate, a NUL
            raise UsageError(f"--report {self._pattern}: no name can be made of it: {error}") from None
        if not Path(name).name or Path(name).parent != Path(self._pattern).parent:
            raise UsageError(
                f"--report {self._pattern}: makes {name}; conversions are for the file's name, not for directories"
            )
        return name

    def _made(self) -> list[Path]:
        """Return the files whose names the pattern makes, the oldest first."""
        found = []
        for path in Path(self._pattern).parent.iterdir():
            with suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and self._makes(str(path)):
                    found.append((status.st_mtime_ns, path))
        return [path for _, path in sorted(found)]

    def _makes(self, name: str) -> bool:
        pattern = str(Path(self._pattern))
        try:
            # strptime() takes more than strftime() makes, such as a month without its zero.
            return time.strftime(pattern, time.strptime(str(Path(name)), pattern)) == str(Path(name))
        except ValueError:
            return False
