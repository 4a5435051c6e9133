"""The files of one end of TLS, named by their settings: pure."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

AGENT_URI = "urn:der:agent:"
"""Begins the URI in the subject alternative names by which a certificate names its agent."""


class TlsRole(Enum):
    """The end of a connection that a certificate serves."""

    GRPC_SERVER = "grpc server"
    HTTP_SERVER = "http server"
    AGENT = "agent"


class TlsFile(NamedTuple):
    """A PEM file, and the setting that names it."""

    setting: str
    path: Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate of one end (``cert`` and ``key``, both or neither), and its authorities."""

    role: TlsRole
    cert: TlsFile | None = None
    key: TlsFile | None = None
    authorities: TlsFile | None = None
    """For a server, those of its clients' certificates; None = it asks for no certificate. For an
    agent, those of the headend's certificate; None = the system's."""
    agent_id: str | None = None
    """The agent that the certificate must name."""
    certificate_optional: bool = False
    """Whether a server with authorities takes clients without a certificate. It never takes a bad
    certificate."""

    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return tuple(file.path for file in (self.cert, self.key, self.authorities) if file)


def tls_pair(prefix: str, cert: Path | None, key: Path | None) -> tuple[TlsFile, TlsFile] | None:
    """The settings ``<prefix>_cert`` and ``<prefix>_key``; None unless both are given."""
    if cert is None or key is None:
        return None
    return TlsFile(f"{prefix}_cert", cert), TlsFile(f"{prefix}_key", key)
