"""The hosts and origins that a browser may name in a request to REST: pure.

A web page reaches whatever its browser reaches, a headend on loopback included. A stranger's page
has two ways, and header fields that the browser writes reveal both:

- DNS rebinding: the page's host name is made to resolve to the headend's address. ``Host`` then
  holds that name. So REST answers only under names and addresses of its own.
- A request across sites: ``Origin`` or ``Sec-Fetch-Site`` says so. So REST answers only its own
  pages, and those that the configuration names. A link from another site still works.

Programs other than browsers may write anything into these fields. Tokens stop them; this does not.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from derproto.configuration.kinds import ANY_ORIGIN

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names that no DNS can give to another machine."""

HOST_CHARACTERS = 260
"""Characters of a name with its port. A longer text names no host."""

HOSTS_REMEMBERED = 1024
"""Values of ``Host`` whose verdict is cached. When full, the least recently used one goes."""

_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
_ORIGIN = re.compile(r"(https?)://(.+)", re.IGNORECASE)
_PORTS = {"http": "80", "https": "443"}
_FOREIGN_SITES = ("cross-site", "same-site")
_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a request comes from: what its header says, and how it reached the headend."""

    host: str
    """Its ``Host`` or ``:authority``; empty = none, which no browser sends."""
    address: str | None
    """The headend's address at which the client has connected."""
    over_tls: bool
    origin: str | None = None
    """``Origin``; None = not sent, as for ``site`` and ``mode``."""
    site: str | None = None
    """``Sec-Fetch-Site``."""
    mode: str | None = None
    """``Sec-Fetch-Mode``."""


class TrustedHosts:
    """The headend's own names, and the origins whose pages may use it.

    ``names`` are host names and addresses; ``*.example`` stands for each name with one label more.
    ``certified`` gives those of the certificate in force: clients reach the headend by them.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        origins: Collection[str] = (),
        certified: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.origins = frozenset(origins)
        self.refused = 0
        """Requests that were refused so far."""
        self._given = frozenset(map(plain_host, (*LOOPBACK, *names)))
        self._certified = certified
        self._last: tuple[str, ...] = ()
        self._names = self._given

    @property
    def names(self) -> frozenset[str]:
        """All names in force; another object only when they have changed."""
        certified = self._certified()
        if certified is not self._last:
            self._last = certified
            self._names = self._given | frozenset(map(plain_host, certified))
        return self._names

    def refusal(self, request: Provenance) -> str | None:
        """Why the request is refused, and what to do; None = answer it. Counts refusals."""
        found = self._refusal(request)
        self.refused += found is not None
        return found

    def _refusal(self, request: Provenance) -> str | None:
        if request.host and not is_named(request.host, request.address, self.names):
            return (
                f"the headend does not know the host {request.host[:_SHOWN]!r} as its own; ask it"
                " by another name or address, or add this one to http_allowed_hosts"
            )
        if ANY_ORIGIN in self.origins or request.origin in self.origins:
            return None
        if request.origin is not None:
            if _is_same(request.origin, request.host, over_tls=request.over_tls):
                return None
            return (
                f"pages of the origin {request.origin[:_SHOWN]!r} may not use this headend; if"
                " they should, add it to cors_origins, or have the proxy keep the Host header"
            )
        if request.site in _FOREIGN_SITES and request.mode != "navigate":
            return (
                "pages of other sites may not use this headend; if they should, add their origin"
                " to cors_origins, and have them ask with CORS"
            )
        return None


@lru_cache(maxsize=HOSTS_REMEMBERED)
def _is_named(host: str, address: str | None, names: frozenset[str]) -> bool:
    name = plain_host(_split(host)[0])
    wider = f"*.{name.partition('.')[2]}"
    return name in names or wider in names or (address is not None and name == plain_host(address))


def is_named(host: str, address: str | None, names: frozenset[str]) -> bool:
    """Whether the value of ``Host`` is one of the names, or the connection's own address.

    Its port does not count: it may be that of a tunnel or a proxy.
    """
    return len(host) <= HOST_CHARACTERS and _is_named(host, address, names)


def plain_host(text: str) -> str:
    """The one spelling of a host name or an address."""
    text = text.lower().strip("[]").partition("%")[0].removesuffix(".")
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _split(authority: str) -> tuple[str, str]:
    """Host and port of a ``Host``; the port is empty if there is none."""
    found = _AUTHORITY.fullmatch(authority)
    return (found[1], found[2] or "") if found is not None else ("", "")


def _is_same(origin: str, host: str, *, over_tls: bool) -> bool:
    """Whether the origin is that of the headend's own pages, as the client sees them.

    A proxy may have ended TLS, so that a secure origin is right also where TLS is missing.
    """
    found = _ORIGIN.fullmatch(origin)
    if found is None or not host:
        return False
    scheme = found[1].lower()
    if over_tls and scheme != "https":
        return False
    (theirs, their_port), (ours, our_port) = _split(found[2]), _split(host)
    default = _PORTS[scheme]
    return plain_host(theirs) == plain_host(ours) and (their_port or default) == (
        our_port or default
    )
