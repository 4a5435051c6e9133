"""The content of a certificate, as far as its owner has to know it: pure."""

from dataclasses import dataclass

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
ANY_PURPOSE = "2.5.29.37.0"
"""Numbers of extended key usages (RFC 5280, 4.2.1.12)."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate."""

    subject: str
    """Its owner's name, for people."""
    not_before_us: int
    """Microseconds since the epoch, as ``not_after_us``."""
    not_after_us: int
    hosts: tuple[str, ...] = ()
    """DNS names and IP addresses in the subject alternative names."""
    uris: tuple[str, ...] = ()
    purposes: frozenset[str] = frozenset({ANY_PURPOSE})
    """Numbers of the purposes to which the certificate is limited."""
