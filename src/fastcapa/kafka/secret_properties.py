"""Kafka properties that are secrets: KEY=VALUE, or better KEY.file=PATH or KEY.env=VARIABLE."""

import re
from collections.abc import Collection

from fastcapa import secret
from fastcapa.errors import UsageError

SECRETS = frozenset(
    {
        "sasl.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
    }
)
FILE, VARIABLE = ".file", ".env"
"""What stands behind the name of a secret that is somewhere else."""
# What is not shown: names of the future too, and what may hold a secret among other things.
_NOT_SHOWN = re.compile(r"password|passphrase|secret|\.pem$|oauthbearer\.config|jaas")
ARGUMENT = re.compile(f"(?:{'|'.join(re.escape(name) for name in sorted(SECRETS))}) *= *(.+)", re.DOTALL)
"""A secret in an argument of the command line; the first group is what nobody should see."""
# librdkafka's own properties that end in .file.
_NOT_OURS = "sasl.oauthbearer.assertion."
# What makes a client hold a secret without being one: private keys, key tables.
_KEYS = frozenset({"ssl.key.location", "ssl.keystore.location", "sasl.kerberos.keytab"})


def split(key: str) -> tuple[str, str]:
    """Return the name of a property and FILE, VARIABLE or "": where its value is, if the property is a secret."""
    for form in (FILE, VARIABLE):
        if key.endswith(form) and key.removesuffix(form) in SECRETS:
            return key.removesuffix(form), form
    return key, ""


def check_form(key: str, place: str) -> None:
    """Raise UsageError for a property that is no secret and is said to be somewhere else."""
    if split(key)[1] or not key.endswith((FILE, VARIABLE)) or key.startswith(_NOT_OURS):
        return
    name = key.rpartition(".")[0]
    raise UsageError(
        f"{place}: {key}: only secrets can be in a file or a variable ({', '.join(sorted(SECRETS))});"
        f" write {name} with its value"
    )


def look_up(key: str, value: str, place: str) -> str:
    """Return the value of a property, from where it is; raise UsageError."""
    _, form = split(key)
    if form == FILE:
        return secret.from_file(value, f"{place}: {key}")
    if form == VARIABLE:
        return secret.from_environment(value, f"{place}: {key}")
    return value


def is_shown(name: str) -> bool:
    """Return whether the value of a property may be printed."""
    return not _NOT_SHOWN.search(name)


def held(properties: Collection[str]) -> bool:
    """Return whether a client with these properties has secrets in its memory."""
    return any(name in SECRETS or name in _KEYS for name in properties)
