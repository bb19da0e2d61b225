"""Where a broker listens."""

from typing import NamedTuple, Self

PORT = 9092  # Kafka's own


class Address(NamedTuple):
    """A host, by name or by number, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return host:port, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in "host", "host:port" or "[::1]:port"; raises ValueError for what is none of them."""
        host, colon, port = text.strip().rpartition(":")
        if not colon or port.endswith("]"):
            host, port = text.strip(), str(PORT)
        host = host.removeprefix("[").removesuffix("]")
        if not host:
            raise ValueError("has no host")
        return cls(host, int(port))
