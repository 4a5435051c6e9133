"""The settings of an OIDC issuer: the terms of its JWTs, and the source of its keys."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from derproto.system.reloading import Reloads


@dataclass(frozen=True, slots=True)
class IssuerTerms:
    """What a JWT must say, and the claims that describe its owner."""

    issuer: str
    audience: str
    name_claim: str = "sub"
    role_claim: str = "role"
    """Holds a role, or a list of words; the greatest role in it counts. Dots lead into objects."""
    sites_claim: str | None = None
    """Holds a site or a list of sites; None = a JWT is for all sites."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys are."""

    file: Path | None = None
    url: str | None = None
    """Exactly one of ``file`` and ``url`` is given."""
    ca: Path | None = None
    """PEM of the authorities for the URL's certificate; None = the system's."""

    def __str__(self) -> str:
        return str(self.file or self.url)


class KeyKeeping(Protocol):
    """Keeps the issuer's keys that the gate judges by."""

    async def begin(self, reloads: Reloads | None) -> None:
        """Reads the keys of a file; ``run`` fetches those of a URL. Raises: ConfigError."""

    async def run(self) -> None:
        """Fetches the keys of a URL again and again. Runs until cancelled."""
