"""How the direct producer speaks to brokers: in the clear or TLS, and as whom. No secret is in any repr."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TlsSettings:
    """What `_dataplane.Tls` is made of; None: none, of `authorities` the system's."""

    authorities: str | None = None
    """A file in PEM, or a directory of hashed ones."""
    certificate: str | None = None
    key: str | None = None
    key_password: str | None = field(default=None, repr=False)
    ciphers: str | None = None
    verify: bool = True
    verify_name: bool = True


@dataclass(frozen=True)
class KerberosSettings:
    """Whose tickets, for which service."""

    service: str = "kafka"
    """First part of the brokers' principals; the second is the host that metadata has."""
    keytab: str | None = None
    """None: tickets that are there."""
    principal: str | None = None
    """Of the keytab; None: its first one."""


@dataclass(frozen=True)
class SaslSettings:
    """A mechanism, and what it needs."""

    mechanism: str
    username: str
    password: str = field(repr=False)
    kerberos: KerberosSettings | None = None
    """With GSSAPI, which needs nothing else."""


@dataclass(frozen=True)
class Security:
    """What `security.protocol` stands for: SSL has `tls`, SASL_PLAINTEXT has `sasl`, SASL_SSL both."""

    tls: TlsSettings | None = None
    sasl: SaslSettings | None = None
