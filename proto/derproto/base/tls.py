"""TLS contexts of both daemons: the same rules with every version of Python."""

import ssl
from pathlib import Path


def server_context(cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """The context of a gRPC server; with ``client_ca`` a client needs a certificate of it.

    Raises: OSError, ssl.SSLError.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["h2"])
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return _even(context)


def client_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """The context of a client that trusts ``ca``, or without one the system's authorities.

    Raises: OSError, ssl.SSLError.
    """
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        context.load_cert_chain(cert, key)
    return _even(context)


def _even(context: ssl.SSLContext) -> ssl.SSLContext:
    """Removes the differences between Python's versions.

    Python 3.13 refuses certificates without the extensions of RFC 5280, and many operators' own
    authorities make such certificates: an upgrade of Python would cost a fleet its headend. Python
    3.13 also trusts an intermediate authority without its root.
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
