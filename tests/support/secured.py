"""Apache Kafka with a listener for each way to be secure, and one for each way to be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion

from support.brokers import Cluster, broker
from support.certificates import Authority

USER, PASSWORD = "alice=a,b", 'wonder, =land"'
SESSION_MS = 3000
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_LISTENERS = {
    "SASL": "SASL_PLAINTEXT",
    "SHORT": "SASL_PLAINTEXT",  # sessions of SESSION_MS
    "TLS": "SSL",
    "MUTUAL": "SSL",  # wants a client certificate
    "SASLTLS": "SASL_SSL",
    "OTHERHOST": "SSL",  # its certificate is for another host
    "EXPIRED": "SSL",
}


@dataclass
class Secured:
    """The cluster, and what clients need."""

    cluster: Cluster
    authority: Path
    """Of the brokers' certificates."""
    stranger: Path
    """Another authority, which has signed nothing here."""
    client: Path
    """A client's key and certificate."""
    encrypted_key: Path
    """The client's key behind PASSWORD."""

    def address(self, listener: str) -> str:
        """Bootstrap address of one of the listeners."""
        return self.cluster.address(listener)


def sasl_listener(name: str) -> dict[str, str]:
    """What a broker needs for SASL on a listener: PLAIN, whose only user is bob, and SCRAM."""
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    # In JAAS a name is a key, which takes no `=` or `,`: PLAIN gets a user of its own.
    password = PASSWORD.replace('"', '\\\\"')
    prefix = f"listener.name.{name.lower()}"
    config = {
        f"{prefix}.sasl.enabled.mechanisms": ",".join(_MECHANISMS),
        f"{prefix}.plain.sasl.jaas.config": f'{plain} required user_bob="{password}";',
    }
    for mechanism in ("scram-sha-256", "scram-sha-512"):
        config[f"{prefix}.{mechanism}.sasl.jaas.config"] = f"{scram} required;"
    return config


def session_limit(name: str, milliseconds: int) -> dict[str, str]:
    """What makes clients of a SASL listener authenticate anew after so long."""
    return {
        f"listener.name.{name.lower()}.{mechanism.lower()}.connections.max.reauth.ms": str(milliseconds)
        for mechanism in _MECHANISMS
    }


def tls_listener(name: str, pair: Path, authority: Path) -> dict[str, str]:
    """What a broker needs for TLS on a listener."""
    prefix = f"listener.name.{name.lower()}"
    return {
        f"{prefix}.ssl.keystore.type": "PEM",
        f"{prefix}.ssl.keystore.location": str(pair),
        f"{prefix}.ssl.truststore.type": "PEM",
        f"{prefix}.ssl.truststore.location": str(authority),
    }


def _config(pairs: dict[str, Path], authority: Path) -> dict[str, str]:
    config = session_limit("SHORT", SESSION_MS)
    for listener in ("SASL", "SHORT", "SASLTLS"):
        config |= sasl_listener(listener)
    for listener, pair in pairs.items():
        config |= tls_listener(listener, pair, authority)
    config["listener.name.mutual.ssl.client.auth"] = "required"
    return config


def set_password(cluster: Cluster, user: str, password: str) -> None:
    """Have this be the user's password from now on, for SCRAM; whoever is logged in stays so."""
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        problems = admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, mechanism, password)])
        assert not any(problems.values()), problems
    admin.close()


@contextmanager
def secured(directory: Path) -> Iterator[Secured]:
    """One node with all of these listeners; bob is PLAIN's user, USER the one of SCRAM, both with PASSWORD."""
    authority = Authority(directory / "authority")
    stranger = Authority(directory / "stranger", "stranger")
    ours = authority.issue("broker", alternative="DNS:localhost,IP:127.0.0.1")
    client = authority.issue("client", alternative="DNS:client")
    pairs = {
        "TLS": ours,
        "MUTUAL": ours,
        "SASLTLS": ours,
        "OTHERHOST": authority.issue("other", alternative="DNS:other.example,IP:192.0.2.1"),
        "EXPIRED": authority.issue("expired", alternative="IP:127.0.0.1", days=-1),
    }
    config = _config(pairs, authority.certificate)
    with broker(directory / "kafka", config=config, listeners=_LISTENERS) as cluster:
        set_password(cluster, USER, PASSWORD)
        yield Secured(
            cluster,
            authority=authority.certificate,
            stranger=stranger.certificate,
            client=client,
            encrypted_key=authority.encrypt_key(client, PASSWORD),
        )
