"""Where a headend is asked: pure."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

DEFAULT_URL = "http://127.0.0.1:8080"

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A headend's REST API."""

    url: str
    """As it was given, without a slash at its end."""
    host: str
    port: int
    tls: bool
    prefix: str
    """Path under which a proxy serves it; empty without one."""

    @property
    def authority(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == _PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"
        )

    def target(self, path: tuple[str, ...], query: tuple[tuple[str, str], ...] = ()) -> str:
        """What is asked for: the path's parts, whatever characters they hold, and the query."""
        parts = "".join("/" + quote(part, safe="") for part in path)
        return f"{self.prefix}{parts}" + (f"?{urlencode(query)}" if query else "")


def parse_address(url: str) -> Address:
    """The address of that URL. Raises: ValueError that says what to write."""
    example = f"write one such as {DEFAULT_URL}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as wrong:
        raise ValueError(f"{url!r} is no URL ({wrong}); {example}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https URL; {example}")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{url!r} has more than a host and a path; {example}")
    return Address(
        url=url.rstrip("/"),
        host=parts.hostname,
        port=_PORTS[parts.scheme] if port is None else port,
        tls=parts.scheme == "https",
        prefix=quote(parts.path.rstrip("/"), safe="/%"),
    )
