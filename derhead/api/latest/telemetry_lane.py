"""The fast lane: the two most frequent endpoints, answered without Hypercorn and Quart.

Hypercorn and Quart take 600 µs for a request. At most 20 µs of that make the answer; the rest goes
into a nursery, three tasks, channels and contexts. The fast lane recognises a plain request for the
newest telemetry in the received bytes. It answers in one piece, byte for byte as the slow lane
does. Anything unusual goes to the slow lane: errors, bodies, queries, upgrades, connections to
close.

For both lanes, the server enforces the limits and ends the connection.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from derhead.api.answering.finishing import VARY
from derhead.api.answering.replies import HEADERS
from derhead.api.latest.latest_texts import LatestTexts
from derhead.httpserver import find_end, read_plain
from derhead.shapes import JSON_TYPE
from derproto.configuration.fleet import Asset, Fleet

_PATH = b"/telemetry"
_BEGINNINGS = (b"GET " + _PATH, b"HEAD " + _PATH)
_LEFT = (b"if-none-match", b"origin")
"""Header fields that change the answer."""

SHORT_BYTES = 1024
"""Longest header whose parsed form is cached, bytes."""

SHORT_HEADERS = 256
"""Parsed headers in the cache. When full, the least recently used one goes."""

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


class _Question(NamedTuple):
    """A request's header, parsed."""

    name: str | None
    """Id or name of the asset; None = all assets."""
    bodiless: bool


@lru_cache(maxsize=SHORT_HEADERS)
def _read(head: bytes) -> _Question | None:
    """The parsed header, if the lane answers it. Cached: clients send the same header again."""
    request = read_plain(head)
    if request is None or any(_changes_answer(*field) for field in request.fields):
        return None
    if request.path == _PATH:
        return _Question(None, request.bodiless)
    name = request.path.removeprefix(_PATH + b"/")
    return None if not name or b"/" in name else _Question(name.decode("ascii"), request.bodiless)


def _changes_answer(name: bytes, value: bytes) -> bool:
    """Whether a field asks for anything other than the whole answer as uncompressed JSON."""
    if name == b"accept":
        value = value.lower()
        return b"text/" in value or (b";" in value and (b"json" in value or b"*" in value))
    if name == b"accept-encoding":
        return b"gzip" in value.lower() or b"*" in value
    return name in _LEFT


class TelemetryLane:
    """Recognises and answers plain requests for the newest telemetry."""

    def __init__(self, fleet: Fleet, latest: LatestTexts) -> None:
        self._fleet = fleet
        self._latest = latest

    def find(self, data: bytes, start: int) -> TelemetryRequest | None:
        """The plain request at ``start``, if it is complete and its answer is a 200; else None."""
        end = find_end(data, start) if data.startswith(_BEGINNINGS, start) else None
        if end is None:
            return None
        read = _read if end - start <= SHORT_BYTES else _read.__wrapped__
        question = read(data[start:end])
        if question is None:
            return None
        asset = None if question.name is None else self._fleet.find_asset(question.name)
        if question.name is not None and asset is None:
            return None
        return TelemetryRequest(asset, question.bodiless, end)

    async def answer(
        self, request: TelemetryRequest, server_headers: Iterable[tuple[bytes, bytes]]
    ) -> bytes:
        """The whole answer; ``server_headers`` are those that the server adds to every answer."""
        asset = request.asset
        text, tag = await self._latest.all() if asset is None else self._latest.one(asset)
        added = b"".join(b"%b: %b\r\n" % header for header in server_headers)
        head = (_HEAD % (len(text), tag)).encode("ascii") + added + b"\r\n"
        return head if request.bodiless else head + text.encode("ascii")
