"""Typed face of the binding."""

from collections.abc import Callable
from typing import Literal

def edit(area: Literal["cmdline", "environ"], change: Callable[[bytes], bytes]) -> None: ...
def forbid_dumps() -> None: ...
