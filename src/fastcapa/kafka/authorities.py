"""Where a system keeps the certificate authorities that it trusts.

OpenSSL looks where whoever compiled it had them. Our wheel carries one from Debian, and goes to other systems too;
librdkafka looks around by itself (`ssl.ca.location=probe`).
"""

import ssl
from pathlib import Path

# Files of PEM: of Debian, Arch and Gentoo; of Fedora and RHEL, new and old; of openSUSE; of Alpine and the BSDs.
_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def of_system() -> str | None:
    """Return a file, or a directory of hashed ones; None if there is none that we know of.

    What this Python's OpenSSL takes comes first: SSL_CERT_FILE and SSL_CERT_DIR of the environment, or its own places.
    """
    paths = ssl.get_default_verify_paths()  # only what exists
    known = (name for name in _FILES if Path(name).is_file())
    return paths.cafile or next(known, None) or paths.capath
