"""The ends of a connection under TLS: its handshake, and the close that clients can trust."""

from contextlib import suppress

import trio

from derproto.triogrpc import HandshakeFailed, shake_hands

SPOKE_CLEARTEXT = "http request"
"""OpenSSL's word for a client that speaks HTTP where TLS is expected."""

LINGER_BYTES = 64 * 1024
"""Bytes of late input that one read of a closing connection discards at most."""


class CleartextClient(HandshakeFailed):
    """The client speaks HTTP without TLS. It can be told so, in cleartext."""


def transport_of(stream: trio.abc.Stream) -> trio.abc.Stream:
    """What carries the bytes: the stream itself, or the one below TLS."""
    if isinstance(stream, trio.SSLStream):
        below: trio.abc.Stream = stream.transport_stream
        return below
    return stream


async def choose_protocol(stream: trio.abc.Stream) -> str:
    """Completes the TLS handshake, if there is one; returns the protocol to begin with.

    Without TLS that is HTTP/1.1; the client's first bytes may choose HTTP/2 later.
    Raises: HandshakeFailed; CleartextClient, if the client can still be answered.
    """
    if not isinstance(stream, trio.SSLStream):
        return "http/1.1"
    try:
        return await shake_hands(stream) or "http/1.1"
    except HandshakeFailed as failed:
        if str(failed) == SPOKE_CLEARTEXT:
            raise CleartextClient(str(failed)) from failed
        raise


async def end_in_order(stream: trio.abc.Stream, transport: trio.abc.Stream) -> None:
    """Ends sending, then discards what the client still sends, until it ends too.

    TCP resets a connection that is closed over unread data, and the client may lose its answer.
    Under TLS the end is signed: without that an answer of unknown length could be cut by others.
    Cancellation: give it a deadline; a client may never end.
    """
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        if isinstance(stream, trio.SSLStream):
            try:
                await stream.unwrap()
            except trio.BrokenResourceError:
                # The client has sent more. OpenSSL has our end ready; Trio leaves it unsent.
                await transport.send_all(stream._outgoing.read())
        if isinstance(transport, trio.abc.HalfCloseableStream):
            await transport.send_eof()
            while await transport.receive_some(LINGER_BYTES):
                pass
