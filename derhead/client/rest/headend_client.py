"""A client of a headend's REST API and its event stream: httpx2, which runs on Trio.

Every failure becomes one of two errors. ``HeadendUnreachable``: no headend answers there, or it
cannot serve the request now. ``RequestRefused``: the headend answered with a refusal.
"""

import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
import trio

from derhead.client.rest.headend_url import HeadendUrl
from derhead.client.rest.own_token import TOKEN_VARIABLE
from derproto.tls.contexts import client_context

CONNECT_S = 5.0
"""Time for a connection, TLS included."""

ANSWER_S = 20.0
"""Time for a whole answer: longer than the headend takes for any request from here."""

SILENCE_S = 25.0
"""Silence after which an event stream counts as lost: the headend sends bytes every 10 s."""

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""Bytes of one answer, or of one event, that a command reads. When full, the command gives up
with exit code 3."""


ADVICE = f"; name its file with --token-file, or put it into {TOKEN_VARIABLE}"
"""The advice that a command adds if it is refused without a good token."""


UNTRUSTED = ("local issuer certificate", "self-signed certificate")
"""OpenSSL's words for a certificate that no known authority has signed."""


class HeadendUnreachable(Exception):
    """No headend answers there, or it cannot serve the request now."""


class RequestRefused(Exception):
    """The headend refused a request, and said why, in one line or several."""


@dataclass(frozen=True, slots=True)
class HeadendAnswer:
    """A headend's answer to a request."""

    status: int
    body: Any
    """The body, parsed from JSON."""

    def accepted(self) -> Any:
        """The body, unless it is a problem. Raises: HeadendUnreachable, RequestRefused."""
        if self.status < 300:
            return self.body
        if self.status >= 500:
            raise HeadendUnreachable(f"the headend cannot answer now: {self._problem()}")
        advice = ADVICE if self.status == 401 else ""
        raise RequestRefused(self._problem() + advice)

    def _problem(self) -> str:
        body = self.body if isinstance(self.body, dict) else {}
        lines = [str(body.get("detail", f"status {self.status}"))]
        lines += [f"  {each['pointer']}: {each['detail']}" for each in body.get("errors", ())]
        return "\n".join(lines)


class HeadendClient:
    """Asks one headend. Enter it first; its connections end with the block.

    Over TLS it trusts the authorities in the PEM file ``ca``, or without one the system's.
    It sends the ``token`` with each request.
    Raises: HeadendUnreachable, if that file cannot be read.
    """

    def __init__(
        self, url: HeadendUrl, *, ca: Path | None = None, token: str | None = None
    ) -> None:
        self._url = url
        self._http = httpx2.AsyncClient(
            # Reading the machine's authorities takes 20 ms, which plain HTTP need not wait for.
            verify=_trusting(ca) if url.tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            # A proxy from the environment is meant for the internet, not for a headend.
            trust_env=False,
            headers={
                "Accept-Encoding": "identity",
                **({} if token is None else {"Authorization": f"Bearer {token}"}),
            },
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._http.__aexit__(*raised)

    async def get(self, *path: str, **query: str) -> Any:
        """The resource at that path. Raises: HeadendUnreachable, RequestRefused."""
        return (await self.ask("GET", path, query=query)).accepted()

    async def ask(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> HeadendAnswer:
        """Sends a request; returns any answer, even a refusal. Raises: HeadendUnreachable."""
        request = self._http.build_request(
            method,
            self._url.of(*path),
            params=query or None,
            json=body,
            headers={"Accept": "application/json", **(headers or {})},
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
        )
        with self._border(ANSWER_S):
            with trio.fail_after(ANSWER_S):
                response = await self._http.send(request, stream=True)
                try:
                    text = await self._read(response)
                finally:
                    await response.aclose()
        try:
            return HeadendAnswer(response.status_code, json.loads(text))
        except ValueError:
            raise HeadendUnreachable(
                f"{self._url.text} is not a headend: its answer is not JSON"
            ) from None

    @asynccontextmanager
    async def text(
        self, path: tuple[str, ...], query: Mapping[str, str], media: str
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """An answer of any length, in pieces. Raises: HeadendUnreachable, RequestRefused."""
        request = self._http.build_request(
            "GET",
            self._url.of(*path),
            params=query,
            headers={"Accept": media},
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
        )
        with self._border(ANSWER_S):
            response = await self._http.send(request, stream=True)
        try:
            if response.status_code != 200:
                with self._border(ANSWER_S):
                    text = await self._read(response)
                HeadendAnswer(response.status_code, _json_or_none(text)).accepted()
            yield self._pieces(response)
        finally:
            await response.aclose()

    async def _pieces(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        with self._border(ANSWER_S):
            async for piece in response.aiter_raw():
                yield piece

    @asynccontextmanager
    async def events(
        self, query: Mapping[str, str], last_id: str | None
    ) -> AsyncIterator["EventStream"]:
        """The events after ``last_id``. Raises: HeadendUnreachable, RequestRefused."""
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        request = self._http.build_request(
            "GET",
            self._url.of("events"),
            params=query,
            headers=headers,
            timeout=httpx2.Timeout(SILENCE_S, connect=CONNECT_S),
        )
        with self._border(SILENCE_S):
            response = await self._http.send(request, stream=True)
        try:
            if response.status_code != 200:
                with self._border(SILENCE_S):
                    text = await self._read(response)
                HeadendAnswer(response.status_code, _json_or_none(text)).accepted()
            yield EventStream(self, response, last_id)
        finally:
            await response.aclose()

    async def _read(self, response: httpx2.Response) -> bytes:
        text = bytearray()
        async for piece in response.aiter_raw():
            text += piece
            if len(text) > MAX_ANSWER_BYTES:
                raise HeadendUnreachable(f"{self._url.text} sends an answer without an end")
        return bytes(text)

    @contextmanager
    def _border(self, seconds: float) -> Iterator[None]:
        """Turns every failure of a connection into ``HeadendUnreachable``."""
        try:
            yield
        except httpx2.ConnectTimeout:
            raise self._silent(CONNECT_S) from None
        except (httpx2.TimeoutException, trio.TooSlowError):
            raise self._silent(seconds) from None
        except httpx2.TransportError as error:
            why = _reason(error)
            if any(each in why for each in UNTRUSTED):
                why += "; name the file of its authority with --tls-ca"
            raise HeadendUnreachable(f"{self._url.text} cannot be reached: {why}") from error

    def _silent(self, seconds: float) -> HeadendUnreachable:
        return HeadendUnreachable(f"{self._url.text} did not answer within {seconds:g} s")


def _trusting(ca: Path | None) -> ssl.SSLContext:
    try:
        return client_context(ca)
    except OSError as error:
        raise HeadendUnreachable(f"--tls-ca: {ca} cannot be loaded: {error}") from None


class EventStream:
    """An open stream of events."""

    def __init__(
        self, client: HeadendClient, response: httpx2.Response, last_id: str | None
    ) -> None:
        self._client = client
        self._events = aiter(httpx2.EventSource(response, max_event_size=MAX_ANSWER_BYTES))
        self.last_id = last_id
        """The newest event's id. After a break, a new stream continues from it."""

    async def next(self) -> httpx2.ServerSentEvent:
        """The next event that holds data.

        Raises: HeadendUnreachable when the stream has ended.
        """
        with self._client._border(SILENCE_S):
            async for event in self._events:
                self.last_id = event.id or self.last_id
                if event.data:
                    return event
        raise HeadendUnreachable("the headend ended the stream")


def _json_or_none(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _reason(error: BaseException) -> str:
    """The text of an error's first cause. In a group of errors, the first error counts."""
    while not isinstance(error, httpx2.ProtocolError):
        cause = error.__cause__ or error.__context__
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif cause is not None:
            error = cause
        else:
            break
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
