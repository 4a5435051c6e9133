"""Certificates for tests: an authority, and what it signs, in files."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from derhead.pki.authority import KeyPair, Validity, make_agent, make_authority, make_server
from derproto.tls.contexts import client_context, context_of
from derproto.tls.tls_files import TlsFile, TlsFiles, TlsRole

HOSTS = ("127.0.0.1", "localhost")


def now() -> datetime:
    """The present: OpenSSL reads the machine's clock, and no other."""
    return datetime.now(UTC)


def validity(days: float = 90.0, *, starts_in_days: float = 0.0) -> Validity:
    """From an hour before now, or before that time, for so many days from now."""
    begins = now() + timedelta(days=starts_in_days, hours=-1)
    return Validity(begins, now() + timedelta(days=days))


def write_pair(path: Path, pair: KeyPair) -> None:
    """Writes ``<path>.pem`` and ``<path>.key``."""
    path.with_suffix(".key").write_bytes(pair.key_pem())
    path.with_suffix(".pem").write_bytes(pair.certificate_pem())


@dataclass(frozen=True)
class TestAuthority:
    """An authority, and a folder for what it signs."""

    # pytest takes it for a test otherwise.
    __test__ = False

    folder: Path
    pair: KeyPair

    @classmethod
    def make(cls, folder: Path, days: float = 365.0, *, name: str = "ca") -> "TestAuthority":
        """A new authority, written as ``ca.pem`` and ``ca.key``."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder, make_authority("Test CA", validity(days)))
        write_pair(folder / name, made.pair)
        return made

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def write_server(
        self, name: str = "server", *, hosts: tuple[str, ...] = HOSTS, valid: Validity | None = None
    ) -> tuple[Path, Path]:
        """A server's certificate and key; their files."""
        return self.write(name, make_server(self.pair, hosts, valid or validity()))

    def write_agent(self, agent_id: str, *, valid: Validity | None = None) -> tuple[Path, Path]:
        """An agent's certificate and key; their files."""
        return self.write(agent_id, make_agent(self.pair, agent_id, valid or validity()))

    def write(self, name: str, pair: KeyPair) -> tuple[Path, Path]:
        write_pair(self.folder / name, pair)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def server_files(
        self, role: TlsRole = TlsRole.HTTP_SERVER, *, asks_for_clients: bool = False
    ) -> TlsFiles:
        """The files of a server whose certificate is written."""
        return TlsFiles(
            role,
            TlsFile("tls_cert", self.folder / "server.pem"),
            TlsFile("tls_key", self.folder / "server.key"),
            TlsFile("tls_client_ca", self.ca) if asks_for_clients else None,
        )

    def agent_files(self, agent_id: str) -> TlsFiles:
        """The files of an agent whose certificate is written."""
        return TlsFiles(
            TlsRole.AGENT,
            TlsFile("tls_cert", self.folder / f"{agent_id}.pem"),
            TlsFile("tls_key", self.folder / f"{agent_id}.key"),
            TlsFile("tls_ca", self.ca),
            agent_id,
        )


@dataclass(frozen=True)
class Certificates:
    """A server's context, and contexts of clients that trust it."""

    server: ssl.SSLContext
    authority: TestAuthority

    @classmethod
    def make(cls, folder: Path, role: TlsRole = TlsRole.HTTP_SERVER) -> "Certificates":
        authority = TestAuthority.make(folder)
        authority.write_server()
        return cls(context_of(authority.server_files(role)), authority)

    def client(self, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        context = client_context(self.authority.ca)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
