"""Finds what other machines or web pages could use without protection: pure.

A listener on loopback needs none. A listener that other machines reach needs TLS and credentials.
If every web page may use REST, loopback does not help, because browsers run such pages anywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from derproto.configuration.kinds import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What protects one listener."""

    setting: str
    """The setting of its address."""
    serves: str
    address: Address
    over_tls: bool
    knows_callers: bool
    credentials: str
    """The credentials that it asks for, in words."""
    key: str
    """The setting that makes it ask for credentials."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Something that others could use without protection."""

    setting: str
    fact: str
    remedy: str


def find_exposures(*listening: Listening) -> Iterator[Exposure]:
    """The listeners that need protection and lack it, each with its remedy."""
    for each in listening:
        lacks = {
            "TLS": (each.over_tls, "tls_cert"),
            each.credentials: (each.knows_callers, each.key),
        }
        missing = [what for what, (given, _) in lacks.items() if not given]
        if missing and not each.address.is_loopback:
            keys = [key for given, key in lacks.values() if not given]
            yield Exposure(
                each.setting,
                f"{each.serves} at {each.address} is open to other machines without"
                f" {' and '.join(missing)}",
                f"give {' and '.join(keys)}, or listen on 127.0.0.1:{each.address.port}",
            )


ANY_PAGE = Exposure(
    "cors_origins",
    "REST without tokens is open to every web page in a browser that reaches it, orders too",
    "name the origins whose pages may, or give tokens",
)
"""REST asks for no credentials, and takes requests of pages from any origin."""
