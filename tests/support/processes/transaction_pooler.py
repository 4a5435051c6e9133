"""A pooler that pools transactions, as PgBouncer with ``pool_mode = transaction`` does.

All clients share one session of the server. Each has it from its first message until the server
says that no transaction is open.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from tests.support.processes.postgres import Database
from tests.support.processes.proxy import POSTGRES_SOCKET

HEADER = 5
"""Bytes before the body of a message: its type, and its length without the type."""

TERMINATE = b"X"
READY = b"Z"
IDLE = b"Z\x00\x00\x00\x05I"
"""ReadyForQuery while no transaction is open."""

ANSWERS = {b"Q": b"Z", b"S": b"Z", b"H": b"TnE"}
"""The last message of the answer to Query, Sync, and Flush, which in asyncpg ends a Describe."""


@asynccontextmanager
async def pooled(database: Database) -> AsyncIterator[str]:
    """A DSN of the database whose connections go through a pooler."""
    server = await trio.open_unix_socket(database.server.folder / POSTGRES_SOCKET)
    # Short: the path of a Unix socket has at most 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="derpt-", dir="/tmp") as folder,
        trio.socket.socket(trio.socket.AF_UNIX) as listening,
    ):
        await listening.bind(f"{folder}/{POSTGRES_SOCKET}")
        listening.listen()
        async with server, trio.open_nursery() as nursery:
            serve = partial(trio.serve_listeners, _Pooler(server).serve)
            nursery.start_soon(serve, [trio.SocketListener(listening)])
            yield f"postgresql://postgres@/{database.name}?host={folder}"
            nursery.cancel_scope.cancel()


class _Pooler:
    def __init__(self, server: trio.SocketStream) -> None:
        self._server = server
        self._turn = trio.Lock()
        self._greeting = b""

    async def serve(self, client: trio.SocketStream) -> None:
        async with client:
            length = await _read(client, 4)
            startup = length + await _read(client, int.from_bytes(length) - 4)
            async with self._turn:
                if not self._greeting:
                    await self._server.send_all(startup)
                    self._greeting = await self._answer(READY)
            await client.send_all(self._greeting)
            while await self._transact(client):
                pass

    async def _transact(self, client: trio.SocketStream) -> bool:
        """Serves one transaction; False once the client leaves."""
        asked = await _message(client)
        async with self._turn:
            while asked and asked[:1] != TERMINATE:
                await self._server.send_all(asked)
                if last := ANSWERS.get(asked[:1]):
                    answer = await self._answer(last)
                    await client.send_all(answer)
                    if answer.endswith(IDLE):
                        return True
                asked = await _message(client)
        return False

    async def _answer(self, last: bytes) -> bytes:
        """All that the server says, up to a message of the type ``last``."""
        said = b""
        while message := await _message(self._server):
            said += message
            if message[:1] in last:
                break
        return said


async def _message(stream: trio.SocketStream) -> bytes:
    """The next message; empty at the end."""
    header = await _read(stream, HEADER)
    return header and header + await _read(stream, int.from_bytes(header[1:]) - 4)


async def _read(stream: trio.SocketStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await stream.receive_some(count - len(data))
        if not more:
            return b""
        data += more
    return data
