"""The last step of every answer: ETag, compression, CORS.

- **ETag.** A 200 to a GET has an ``ETag``; a request that names it in ``If-None-Match`` gets 304.
  The newest telemetry has a tag of its own. The tag of any other answer is a hash of its text
  without ages.
- **Compression.** A long text is sent with gzip if the client accepts it.
- **CORS.** A page of another origin may read answers only if the configuration names that origin.
"""

import re
import zlib
from collections.abc import Collection
from hashlib import blake2b

import trio
from quart import Quart, Response, request
from quart.wrappers.response import DataBody

from derproto.configuration.kinds import ANY_ORIGIN

GZIP_BYTES = 16 * 1024
"""Shortest answer that is compressed; a shorter one takes only a few packets anyway."""

GZIP_PIECE = 64 * 1024
"""Bytes that are compressed before other tasks get their turn: about 1 ms."""

GZIP_LEVEL = 1
"""Shrinks telemetry to an eighth; a higher level takes three times as long to save a tenth more."""

VARY = "Accept, Accept-Encoding, Authorization, Cookie, Origin"
"""Request headers on which an answer may depend."""

EXPOSED = "ETag, Idempotency-Replayed, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id"
"""Headers that a page of another origin may read."""

AGE = re.compile(rb'"age_s":[^,}]+')
"""The member of an answer that changes at every request. Text inside JSON cannot match: its quotes
are escaped."""


def finish_answers(app: Quart, origins: Collection[str]) -> None:
    """Registers the last step. Pages of the ``origins`` may read answers; ``*`` = any origin."""

    @app.after_request
    async def finish(response: Response) -> Response:
        response.headers["Vary"] = VARY
        _admit(response, origins)
        if not isinstance(response.response, DataBody):
            # The answer comes piece by piece.
            return response
        if request.method in ("GET", "HEAD") and response.status_code == 200:
            body = await response.get_data(as_text=False)
            if "ETag" not in response.headers:
                response.headers["ETag"] = _tag(body)
            tag, _ = response.get_etag()
            if tag is not None and request.if_none_match.contains_weak(tag):
                return _not_modified(response)
        if (
            request.accept_encodings.quality("gzip") > 0
            and "Content-Encoding" not in response.headers
        ):
            await _compress(response)
        return response

    if origins:

        @app.before_request
        async def answer_preflight() -> Response | None:
            asked = request.headers.get("Access-Control-Request-Method")
            if request.method != "OPTIONS" or asked is None or not _admitted(origins):
                return None
            response = Response(b"", status=204)
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, DELETE"
            response.headers["Access-Control-Allow-Headers"] = (
                "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID,"
                " X-Request-Id"
            )
            response.headers["Access-Control-Max-Age"] = "600"
            return response


def _admitted(origins: Collection[str]) -> bool:
    origin = request.headers.get("Origin")
    return origin is not None and (origin in origins or ANY_ORIGIN in origins)


def _admit(response: Response, origins: Collection[str]) -> None:
    if _admitted(origins):
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = EXPOSED


def _tag(body: bytes) -> str:
    """An ETag that ignores ages, which a client can compute from the times."""
    return f'W/"{blake2b(AGE.sub(b"", body), digest_size=12).hexdigest()}"'


def _not_modified(response: Response) -> Response:
    response.status_code = 304
    response.set_data(b"")
    for name in ("Content-Type", "Content-Length"):
        response.headers.pop(name, None)
    return response


async def _compress(response: Response) -> None:
    body = await response.get_data(as_text=False)
    if len(body) < GZIP_BYTES or "Content-Encoding" in response.headers:
        return
    packer = zlib.compressobj(GZIP_LEVEL, wbits=31)
    pieces = []
    for start in range(0, len(body), GZIP_PIECE):
        pieces.append(packer.compress(body[start : start + GZIP_PIECE]))
        await trio.lowlevel.checkpoint()
    pieces.append(packer.flush())
    response.set_data(b"".join(pieces))
    response.headers["Content-Encoding"] = "gzip"
