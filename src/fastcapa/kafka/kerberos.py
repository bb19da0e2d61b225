"""Kerberos as a SASL mechanism, client side: GSSAPI, RFC 4752, without a security layer, as Kafka has it.

Tickets are the Kerberos library's: from the keytab that is named (it gets them when they are needed, and new ones
before they end, without a kinit), or those of the environment (KRB5CCNAME).
"""

import importlib.util
import os
import threading
from typing import Any

from fastcapa.kafka.security import KerberosSettings

NOT_INSTALLED = "GSSAPI needs the Python package gssapi: pip install 'fastcapa[kerberos]'"
# RFC 4752, 3.1: no security layer, and so no messages of any size; behind it an authorization identity, which is ours.
_NO_LAYER = b"\x01\x00\x00\x00"
# Two threads that both find no ticket would both ask the KDC for one.
_LOCK = threading.Lock()


class NoTicket(Exception):
    """The Kerberos library has no ticket for this broker; the message says why, on one line, without a secret."""


def installed() -> bool:
    """Return whether there is Kerberos here at all."""
    return importlib.util.find_spec("gssapi") is not None


class Kerberos:
    """One authentication, in the shape of kafka-python's mechanisms. Every call may block while a KDC is asked."""

    def __init__(self, settings: KerberosSettings, host: str) -> None:
        """Begin; raises NoTicket."""
        import gssapi  # noqa: PLC0415 -- an optional dependency
        from gssapi.raw.misc import GSSError  # noqa: PLC0415

        self._errors = GSSError
        self._settings = settings
        self._agreed = False
        self._done = False
        try:
            name = gssapi.Name(f"{settings.service}@{host}", gssapi.NameType.hostbased_service)
            with _LOCK:
                self._context = gssapi.SecurityContext(
                    name=name, usage="initiate", mech=gssapi.MechType.kerberos, creds=self._credentials(gssapi)
                )
                self._token = self._context.step() or b""
        except self._errors as error:
            raise NoTicket(self._why(error)) from None

    def _credentials(self, gssapi: Any) -> Any:
        """Return those of the keytab; None: whatever the environment has."""
        settings = self._settings
        if settings.keytab is None:
            return None
        name = gssapi.Name(settings.principal, gssapi.NameType.kerberos_principal) if settings.principal else None
        # What a keytab has brought is this process's and nobody else's, and not another keytab's.
        cache = f"MEMORY:fastcapa {settings.principal or ''} {settings.keytab}"
        store = {b"client_keytab": os.fsencode(f"FILE:{settings.keytab}"), b"ccache": os.fsencode(cache)}
        return gssapi.Credentials(name=name, usage="initiate", mechs=[gssapi.MechType.kerberos], store=store)

    def is_done(self) -> bool:
        """Return whether nothing is left to be sent."""
        return self._done

    def auth_bytes(self) -> bytes:
        """Return what is to be sent next."""
        self._done = self._agreed  # the agreement is the last that is sent
        return self._token

    def receive(self, token: bytes) -> None:
        """Take the answer; raises NoTicket for one that the library finds wrong."""
        if self._done:
            return
        try:
            if not self._context.complete:
                self._token = self._context.step(token) or b""
            else:
                offered = self._context.unwrap(token).message
                if len(offered) != len(_NO_LAYER) or not offered[0] & _NO_LAYER[0]:
                    raise NoTicket("it wants a security layer, which Kafka does not have")
                self._token = self._context.wrap(_NO_LAYER, False).message
                self._agreed = True
        except self._errors as error:
            raise NoTicket(self._why(error)) from None

    def is_authenticated(self) -> bool:
        """Return whether both sides have agreed."""
        return self._done

    @staticmethod
    def _why(error: Any) -> str:
        """Return the library's words. The mechanism's own say more than those that all mechanisms share."""
        words = error.get_all_statuses(error.min_code, False) or error.get_all_statuses(error.maj_code, True)
        return " ".join(" ".join(str(word) for word in words).split())
