"""TLS handshakes, a few in each turn of the loop, and what a peer is told when TLS fails."""

import ssl
from contextlib import suppress
from typing import Any

import trio

ALERT_S = 1.0
"""Seconds for a peer to take the alert that tells it why its handshake failed."""

DRAIN_BYTES = 16 * 1024
"""Bytes that one read of a failed connection discards at most."""


STEPS_A_TURN = 4
"""Steps of handshakes in one turn of the loop, of all servers together: each takes half a
millisecond, with an RSA key longer. When full, the next waits for a later turn; otherwise a
thousand clients that connect at once would stop the loop for a second."""

_steps: trio.lowlevel.RunVar[trio.Semaphore] = trio.lowlevel.RunVar("handshake_steps")


class HandshakeFailed(Exception):
    """A TLS handshake failed; the text says why."""


async def shake_hands(stream: trio.SSLStream[Any]) -> str | None:
    """Completes the TLS handshake, and returns the protocol that ALPN chose.

    If it fails, the peer is told why, by TLS's alert: Trio alone would close the connection without
    a word, and nobody at the other end could tell an expired certificate from a bad cable.
    Raises: HandshakeFailed. Cancellation: the stream is of no further use.
    """
    transport = stream.transport_stream
    stream.transport_stream = _PacedStream(transport)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        stream.transport_stream = transport
        await _send_alert(stream)
        raise HandshakeFailed(tls_reason(error)) from error
    finally:
        stream.transport_stream = transport
    protocol: str | None = stream.selected_alpn_protocol()
    return protocol


class _PacedStream(trio.abc.Stream):
    """Another stream, whose received bytes OpenSSL may take once they have a place in a turn."""

    def __init__(self, transport: trio.abc.Stream) -> None:
        self._transport = transport

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._transport.receive_some(max_bytes)
        async with _places():
            await trio.lowlevel.checkpoint()
        # From here to its next wait, the caller is in the turn whose place it had.
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._transport.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._transport.aclose()


def _places() -> trio.Semaphore:
    try:
        return _steps.get()
    except LookupError:
        places = trio.Semaphore(STEPS_A_TURN)
        _steps.set(places)
        return places


async def _send_alert(stream: trio.SSLStream[Any]) -> None:
    # OpenSSL has the alert ready; Trio does not send it after an error.
    alert = stream._outgoing.read()
    transport = stream.transport_stream
    if not alert or not isinstance(transport, trio.abc.HalfCloseableStream):
        return
    with trio.move_on_after(ALERT_S), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await transport.send_all(alert)
        await transport.send_eof()
        # TCP resets a connection that is closed over unread data, and the alert may be lost.
        while await transport.receive_some(DRAIN_BYTES):
            pass


def tls_reason(error: BaseException) -> str:
    """Why TLS failed, in OpenSSL's words, without its codes."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {cause.verify_message}"
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLSyscallError):
        return "the peer closed the connection"
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return cause.reason.replace("_", " ").lower()
    return str(cause) or type(cause).__name__


def is_tls_error(error: BaseException) -> bool:
    """Whether a stream broke by TLS itself, such as an alert of the peer, not by its transport."""
    cause = error.__cause__
    return isinstance(cause, ssl.SSLError) and not isinstance(
        cause, ssl.SSLEOFError | ssl.SSLSyscallError
    )
