"""The fast lane: the two endpoints asked most, answered without Hypercorn and Quart.

Those two take 600 µs for a request, of which no more than 20 are the answer's: the rest
goes into a nursery, three tasks, channels and contexts. Here a plain request for the newest
telemetry is recognised in the bytes received and answered in one piece, byte for byte as
the slow lane does it. What is not entirely plain is left to the slow lane: errors, bodies,
upgrades, connections to close, queries. Only what both know is decided twice, by one pattern.

What becomes of the connection (its limits, its end) is up to the server, for both lanes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from derhead.api.finishing import VARY
from derhead.api.latest_texts import LatestTexts
from derhead.api.replies import HEADERS
from derhead.api.tables import JSON_TYPE
from derproto.base.fleet import Asset, Fleet

_FIELD = rb"""(?:
    (?! (?:host|connection|content-length|transfer-encoding|expect|upgrade) : )
    (?! (?:if-none-match|origin|x-request-id) : )
    (?! accept : [^\r]*? (?: text/ | (?:json|\*) [^\r]*? ; ) )
    (?! accept-encoding : [^\r]*? (?:gzip|\*) )
    [0-9a-z!\#$%&'*+.^_`|~-]+ : [\t\x20-\x7e]* \r\n
    | connection: [ ]? keep-alive \r\n
)"""
"""A header field that changes nothing, or asks for what is done anyway."""

_HOST = rb"""
    host: [ ]?
    (?: [0-9a-z-]{1,63} (?: [.][0-9a-z-]{1,63} )* | \[ [0-9a-f:]+ \] )
    (?: :[0-9]{1,5} )? \r\n
"""
"""Only one that is sure to be valid; HTTP/1.1 needs it, once."""

_REQUEST = re.compile(
    rb"(GET|HEAD) [ ]/telemetry (?:/([0-9A-Za-z._~-]+))? [ ]HTTP/1[.]1\r\n"
    rb"(?i: %b* %b %b* ) \r\n" % (_FIELD, _HOST, _FIELD),
    re.VERBOSE,
)
"""A whole request. Its path has only characters that stand for themselves."""

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
    """None asks for all of them."""
    bodiless: bool
    """HEAD."""
    end: int
    """Where its bytes end."""


class TelemetryLane:
    """Finds and answers requests for the newest telemetry."""

    def __init__(self, fleet: Fleet, latest: LatestTexts) -> None:
        self._fleet = fleet
        self._latest = latest

    def find(self, data: bytes, start: int) -> TelemetryRequest | None:
        """The plain request that begins there, if all of it is there and the answer is a 200."""
        match = _REQUEST.match(data, start)
        if match is None:
            return None
        method, name = match.groups()
        asset = None if name is None else self._fleet.find_asset(name.decode("ascii"))
        if name is not None and asset is None:
            return None
        return TelemetryRequest(asset, method == b"HEAD", match.end())

    async def answer(
        self, request: TelemetryRequest, server_headers: Iterable[tuple[bytes, bytes]]
    ) -> bytes:
        """The whole answer. ``server_headers`` are those that the server adds to any."""
        asset = request.asset
        text, tag = await self._latest.all() if asset is None else self._latest.one(asset)
        added = b"".join(b"%b: %b\r\n" % header for header in server_headers)
        head = (_HEAD % (len(text), tag)).encode("ascii") + added + b"\r\n"
        return head if request.bodiless else head + text.encode("ascii")
