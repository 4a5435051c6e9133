"""The fast lane: the two most frequent endpoints, answered without Hypercorn and Quart.

Hypercorn and Quart take 600 µs for a request. At most 20 µs of that make the answer; the rest goes
into a nursery, three tasks, channels and contexts. The fast lane recognises a plain request for the
newest telemetry in the received bytes. It answers in one piece, byte for byte as the slow lane
does. Anything unusual goes to the slow lane: errors, bodies, queries, upgrades, connections to
close, and whatever a web page of another site may have sent.

For both lanes, the server enforces the limits and ends the connection.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from derhead.access import AccessGate, Right, Unauthenticated
from derhead.api.answering.finishing import VARY
from derhead.api.answering.headend_parts import HasClock, HasFleet
from derhead.api.answering.replies import HEADERS
from derhead.api.answering.trusted_hosts import TrustedHosts, is_named
from derhead.api.latest.latest_texts import LatestTexts
from derhead.httpserver import find_end, read_fields, read_line
from derhead.shapes import JSON_TYPE
from derproto.configuration.fleet import Asset

_PATH = b"/telemetry"
_SLASH = ord("/")
_BEGINNINGS = (b"GET " + _PATH, b"HEAD " + _PATH)
_LEFT = (b"if-none-match", b"origin")
"""Header fields that change the answer."""

SHORT_BYTES = 1024
"""Longest header whose fields are cached, bytes."""

SHORT_HEADERS = 256
"""Header fields in the cache. When full, the least recently used ones go."""

_FIELDS = {
    "content-type": JSON_TYPE,
    "content-length": "%d",
    **HEADERS,
    "etag": "%s",
    "vary": VARY,
}
_HEAD = "HTTP/1.1 200 \r\n" + "".join(f"{name.lower()}: {_FIELDS[name]}\r\n" for name in _FIELDS)


@dataclass(frozen=True, slots=True)
class TelemetryRequest:
    """A request that the lane answers."""

    asset: Asset | None
    """None = all assets."""
    bodiless: bool
    """The method is HEAD."""
    end: int
    """Where the request's bytes end."""


@dataclass(frozen=True, slots=True)
class PlainFields:
    """Header fields of a request that the lane answers."""

    authorization: bytes | None


@lru_cache(maxsize=SHORT_HEADERS)
def _read_plain(fields: bytes, address: str | None, names: frozenset[str]) -> PlainFields | None:
    """The header fields, if the lane answers a request with them.

    ``names`` and the connection's ``address`` are those that its host may name.
    Cached: whatever path a client asks for next, it sends the same fields again.
    """
    found = read_fields(fields)
    if (
        found is None
        or not is_named(found.host.decode("ascii"), address, names)
        or any(_changes_answer(*field) for field in found.others)
    ):
        return None
    sent = [value for name, value in found.others if name == b"authorization"]
    return PlainFields(sent[0] if sent else None) if len(sent) <= 1 else None


def _changes_answer(name: bytes, value: bytes) -> bool:
    """Whether a field asks for anything other than the whole answer as uncompressed JSON."""
    if name == b"sec-fetch-site":
        return value not in (b"same-origin", b"none")
    if name == b"accept":
        value = value.lower()
        return b"text/" in value or (b";" in value and (b"json" in value or b"*" in value))
    if name == b"accept-encoding":
        return b"gzip" in value.lower() or b"*" in value
    return name in _LEFT


class LaneParts(HasFleet, HasClock, Protocol):
    """The part of the headend that the lane uses."""


class TelemetryLane:
    """Recognises and answers plain requests for the newest telemetry, of callers who may read."""

    def __init__(
        self, headend: LaneParts, latest: LatestTexts, gate: AccessGate, trusted: TrustedHosts
    ) -> None:
        self._headend = headend
        self._latest = latest
        self._gate = gate
        self._trusted = trusted

    def find(self, data: bytes, start: int, address: str | None) -> TelemetryRequest | None:
        """The plain request at ``start``, if it is complete and its answer is a 200; else None."""
        if not data.startswith(_BEGINNINGS, start):
            return None
        end, line = find_end(data, start), read_line(data, start)
        if end is None or line is None:
            return None
        read_plain = _read_plain if end - start <= SHORT_BYTES else _read_plain.__wrapped__
        fields = read_plain(data[line.end : end], address, self._trusted.names)
        if fields is None or not self._admits(fields.authorization):
            return None
        if line.path == _PATH:
            return TelemetryRequest(None, line.bodiless, end)
        asset = self._headend.fleet.find_asset(line.path[len(_PATH) + 1 :].decode("ascii"))
        is_one = asset is not None and line.path[len(_PATH)] == _SLASH
        return TelemetryRequest(asset, line.bodiless, end) if is_one else None

    def _admits(self, authorization: bytes | None) -> bool:
        """Whether the caller may read everything; the app sees to the others."""
        caller = self._gate.recognise(authorization, self._headend.wall_us())
        return (
            not isinstance(caller, Unauthenticated)
            and caller.sites is None
            and caller.may(Right.READ)
        )

    async def answer(
        self, request: TelemetryRequest, server_headers: Iterable[tuple[bytes, bytes]]
    ) -> bytes:
        """The whole answer; ``server_headers`` are those that the server adds to every answer."""
        asset = request.asset
        text, tag = await self._latest.all() if asset is None else self._latest.one(asset)
        added = b"".join(b"%b: %b\r\n" % header for header in server_headers)
        head = (_HEAD % (len(text), tag)).encode("ascii") + added + b"\r\n"
        return head if request.bodiless else head + text.encode("ascii")
