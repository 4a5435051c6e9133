"""Bytes in and out by the shortest way that a stream allows."""

from collections.abc import Awaitable, Callable

import trio

READ_BYTES = 16 * 1024
"""What one read takes at most. A read allocates as much before it knows what came."""


def reader_of(stream: trio.abc.Stream) -> Callable[[], Awaitable[bytes | bytearray]]:
    """What receives from ``stream``: some bytes, empty at its end.

    Raises (when called): trio.BrokenResourceError, trio.ClosedResourceError.
    """
    if isinstance(stream, trio.SocketStream):
        return _socket_reader(stream)

    async def receive() -> bytes | bytearray:
        return await stream.receive_some(READ_BYTES)

    return receive


def _socket_reader(stream: trio.SocketStream) -> Callable[[], Awaitable[bytes]]:
    """Waits first, then reads once.

    Trio's own way reads first and waits when nothing is there; on a connection that says
    something every other second that first read is nearly always one for nothing, with a
    checkpoint and two layers of calls around it.
    """
    sock = stream.socket._sock  # type: ignore[attr-defined]
    wait_readable, receive_from = trio.lowlevel.wait_readable, sock.recv

    async def receive() -> bytes:
        while True:
            await wait_readable(sock)
            try:
                data: bytes = receive_from(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise trio.BrokenResourceError from error
            return data

    return receive


def sender_of(stream: trio.abc.Stream) -> Callable[[memoryview], int]:
    """What sends as much as ``stream`` takes at once, without waiting; how many bytes.

    Most sends fit into a socket's buffer: those need no deadline, no cancel scope and no
    checkpoint. 0 from a stream that cannot tell. Raises (when called):
    trio.BrokenResourceError.
    """
    if not isinstance(stream, trio.SocketStream):
        return lambda _data: 0
    send = stream.socket._sock.send  # type: ignore[attr-defined]

    def send_nowait(data: memoryview) -> int:
        try:
            sent: int = send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise trio.BrokenResourceError from error
        return sent

    return send_nowait
