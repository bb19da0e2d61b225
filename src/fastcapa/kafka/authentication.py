"""SASL on a connection: Kafka's handshake (KIP-152) around a mechanism of kafka-python."""

from typing import Any

from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from fastcapa.kafka.connection import AuthenticationFailed, Connection, error_name
from fastcapa.kafka.kerberos import Kerberos, NoTicket
from fastcapa.kafka.security import SaslSettings


def authenticate(connection: Connection, sasl: SaslSettings, deadline: float) -> float | None:
    """Authenticate; return the seconds that the session lasts (KIP-368), None without limit.

    Raises AuthenticationFailed when the broker does not accept us, ConnectionFailed for all else. `deadline` is
    monotonic.
    """
    where = f"broker {connection.address}"
    handshake = connection.request(SaslHandshakeRequest(mechanism=sasl.mechanism, version=1), deadline)
    if handshake.error_code:
        if not handshake.mechanisms:
            raise AuthenticationFailed(f"{where} has no SASL on this port; check security.protocol")
        offered = ", ".join(sorted(handshake.mechanisms))
        raise AuthenticationFailed(
            f"{where} does not take SASL mechanism {sasl.mechanism}, it takes {offered}; set sasl.mechanism"
        )
    version = connection.version(SaslAuthenticateRequest, 0, 2)
    mechanism = _mechanism(connection, sasl)
    lifetime_ms = 0
    while not mechanism.is_done():
        token = mechanism.auth_bytes()
        answer = connection.request(SaslAuthenticateRequest(auth_bytes=token, version=version), deadline)
        if answer.error_code:
            why = " ".join((answer.error_message or error_name(answer.error_code)).split())
            raise AuthenticationFailed(f"{where}: {why} (SASL {sasl.mechanism}); {_remedy(sasl)}")
        try:
            mechanism.receive(answer.auth_bytes)
        except (ValueError, KeyError):  # what of it would show secrets is not told
            raise AuthenticationFailed(
                f"{where} did not prove that it knows our password (SASL {sasl.mechanism}); is it the right broker?"
            ) from None
        except NoTicket as error:
            raise AuthenticationFailed(f"{where} is not who it should be (SASL GSSAPI): {error}") from None
        lifetime_ms = answer.session_lifetime_ms or 0
    if not mechanism.is_authenticated():
        raise AuthenticationFailed(f"{where} did not accept us (SASL {sasl.mechanism})")
    return lifetime_ms / 1000 if lifetime_ms > 0 else None


def _mechanism(connection: Connection, sasl: SaslSettings) -> Any:
    """Return the mechanism, which has begun; raises AuthenticationFailed."""
    if sasl.kerberos is None:
        return get_sasl_mechanism(sasl.mechanism)(
            host=connection.address.host,
            sasl_mechanism=sasl.mechanism,
            sasl_plain_username=_username(sasl),
            sasl_plain_password=sasl.password,
        )
    try:
        return Kerberos(sasl.kerberos, connection.address.host)
    except NoTicket as error:
        raise AuthenticationFailed(
            f"broker {connection.address}: no Kerberos ticket: {error} (SASL GSSAPI); {_remedy(sasl)}"
        ) from None


def _remedy(sasl: SaslSettings) -> str:
    if sasl.kerberos is None:
        return "check sasl.username and sasl.password"
    tickets = f"the keytab {sasl.kerberos.keytab}" if sasl.kerberos.keytab else "klist (or name sasl.kerberos.keytab)"
    return f"check {tickets}, sasl.kerberos.service.name and the KDC"


def _username(sasl: SaslSettings) -> str:
    """Return the name as SCRAM wants it (RFC 5802, saslname), which kafka-python leaves to its caller."""
    if not sasl.mechanism.startswith("SCRAM-"):
        return sasl.username
    return sasl.username.replace("=", "=3D").replace(",", "=2C")
