"""What becomes of every answer before it leaves: tags, compression, who else may read it.

- **Tags.** A 200 to a GET bears an ``ETag``; a request that names it in ``If-None-Match`` is
  answered 304. Telemetry's newest has a tag of its own, others one of their text without ages.
- **Compression.** A long text is sent with gzip if its reader takes it.
- **CORS.** Pages of other origins may read answers only where the configuration names them.
"""

import re
import zlib
from collections.abc import Collection
from hashlib import blake2b

import trio
from quart import Quart, Response, request
from quart.wrappers.response import DataBody

GZIP_BYTES = 16 * 1024
"""Shorter answers are sent as they are: one packet or a few more make no difference."""

GZIP_PIECE = 64 * 1024
"""What is compressed before other tasks get their turn: about 1 ms."""

GZIP_LEVEL = 1
"""Telemetry shrinks to an eighth; more takes thrice the time for a tenth less."""

VARY = "Accept, Accept-Encoding, Origin"
"""What of a request an answer may depend on."""

EXPOSED = "ETag, Idempotency-Replayed, Link, Location, Retry-After, X-Request-Id"
"""Headers that a page of another origin may read."""

ANY_ORIGIN = "*"

AGE = re.compile(rb'"age_s":[^,}]+')
"""A member of an answer that is another at each asking. No text within JSON looks so: its quotes
are escaped."""


def finish_answers(app: Quart, origins: Collection[str]) -> None:
    """Has the app finish its answers; ``origins`` are those that may read them, ``*`` = any."""

    @app.after_request
    async def finish(response: Response) -> Response:
        response.headers["Vary"] = VARY
        _admit(response, origins)
        if not isinstance(response.response, DataBody):
            # It comes piece by piece.
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
                "Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-Id"
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
    """The same for what only grew older: who has it reckons the age from its time."""
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
