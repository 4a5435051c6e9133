"""What is known of an OIDC issuer before any of its tokens comes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from derproto.system.reloading import Reloads


@dataclass(frozen=True, slots=True)
class IssuerTerms:
    """What a JWT must say, and where it says who its owner is."""

    issuer: str
    audience: str
    name_claim: str = "sub"
    role_claim: str = "role"
    """A role, or a list of words of which the greatest role counts. Dots lead into objects."""
    sites_claim: str | None = None
    """A site or a list of sites; None = a JWT is for all sites."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys are."""

    file: Path | None = None
    url: str | None = None
    """Exactly one of ``file`` and ``url``."""
    ca: Path | None = None
    """PEM of the authorities for the URL's certificate; None = the system's."""

    def __str__(self) -> str:
        return str(self.file or self.url)


class KeyKeeping(Protocol):
    """Keeps the issuer's keys that the gate judges by."""

    async def begin(self, reloads: Reloads | None) -> None:
        """Reads the keys of a file; those of a URL come with ``run``. Raises: ConfigError."""

    async def run(self) -> None:
        """Fetches the keys of a URL again and again. Runs until cancelled."""
