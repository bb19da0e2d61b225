"""Where we listen: HOST:PORT, [IPv6]:PORT, :PORT or PORT; without a host on loopback."""

from typing import NamedTuple

LOOPBACK = "127.0.0.1"


class ListenAddress(NamedTuple):
    """A host, by name or by number, and a TCP port; port 0: the kernel chooses one."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return host:port, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str) -> ListenAddress:
    """Return the address; raises ValueError that says what is needed."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not (port.isascii() and port.isdecimal() and int(port) <= 0xFFFF):
        raise ValueError("give HOST:PORT, such as 127.0.0.1:9464; a port is a number up to 65535")
    if ":" in host and not bracketed:
        raise ValueError("an IPv6 address is written in brackets, such as [::1]:9464")
    return ListenAddress(host[1:-1] if bracketed else host or LOOPBACK, int(port))
