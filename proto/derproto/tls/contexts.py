"""TLS contexts of both daemons, with the same rules under every version of Python."""

import ssl
from pathlib import Path

from derproto.tls.tls_files import TlsFiles, TlsRole

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The ciphers of TLS 1.2. HTTP/2 forbids all others (RFC 9113, appendix A). TLS 1.3 has its own."""

ALPN = {
    TlsRole.GRPC_SERVER: ["h2"],
    TlsRole.HTTP_SERVER: ["h2", "http/1.1"],
    TlsRole.AGENT: ["h2"],
}
"""The protocols that each end speaks, the best first."""


def context_of(files: TlsFiles) -> ssl.SSLContext:
    """The context of one end. Reads its files.

    Raises: OSError, of which ssl.SSLError is one.
    """
    cert = files.cert.path if files.cert else None
    key = files.key.path if files.key else None
    authorities = files.authorities.path if files.authorities else None
    if files.role is TlsRole.AGENT:
        context = client_context(authorities, cert, key)
    else:
        assert cert is not None
        assert key is not None
        context = server_context(cert, key, authorities)
        if authorities is not None and files.certificate_optional:
            context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(ALPN[files.role])
    return context


def server_context(cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """The context of a server; with ``client_ca`` a client needs a certificate of that authority.

    Raises: OSError, ssl.SSLError.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load_own(context, cert, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
        # A resumed session would not show its certificate again.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
    return _even(context)


def client_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """The context of a client that trusts ``ca``, or without one the system's authorities.

    Raises: OSError, ssl.SSLError.
    """
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        _load_own(context, cert, key)
    return _even(context)


def _load_own(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    # Without a password OpenSSL would ask the terminal for one, and the daemon would wait.
    context.load_cert_chain(cert, key, password="")


def _even(context: ssl.SSLContext) -> ssl.SSLContext:
    """Removes the differences between Python's versions.

    Python 3.13 refuses certificates without the extensions of RFC 5280. Many operators' own
    authorities make such certificates, so an upgrade of Python would cost a fleet its headend.
    Python 3.13 also trusts an intermediate authority without its root.
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    # OpenSSL 1.1 lets a client ask for handshake after handshake on one connection.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
