"""The client's end: one connection, and calls on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import trio
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.metadata import _Metadata, _MetadataLike
from multidict import MultiDict

from derproto.triogrpc.calls.client_stream import ClientStream
from derproto.triogrpc.connection.link import Link
from derproto.triogrpc.core.background import background_nursery
from derproto.triogrpc.core.counters import Counters
from derproto.triogrpc.core.deadline import Deadline
from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.method import Method
from derproto.triogrpc.sockets.shared import Shared


class Channel:
    """One connection to a server, for any number of calls. Made by ``connect``."""

    def __init__(
        self, link: Link, *, authority: str, scheme: str, codec: CodecBase, limits: LinkLimits
    ) -> None:
        self._link = link
        self._authority = authority
        self._scheme = scheme
        self._codec = codec
        self._limits = limits
        self._counters = link.connection.counters

    def request(
        self,
        method: Method,
        *,
        metadata: _MetadataLike | None = None,
        timeout: float | None = None,
    ) -> ClientStream:
        """A call of ``method``, to be used with ``async with``. Sends nothing yet.

        Units: ``timeout`` in seconds from now, for the whole call; it is sent to the server.
        """
        deadline = None if timeout is None else Deadline.from_timeout(timeout)
        fields = cast(_Metadata, MultiDict(cast(Any, metadata or ())))
        return ClientStream(
            self,
            method,
            fields,
            deadline,
            codec=self._codec,
            limits=self._limits,
            counters=self._counters,
        )

    @property
    def peer(self) -> str:
        """The server's address, for people."""
        return str(self._link.peer)

    @property
    def is_open(self) -> bool:
        """Whether a call could be started now."""
        return self._link.reason is None and not self._link.peer_goes_away

    @property
    def closed_because(self) -> str | None:
        """The reason for the connection's end, in words; None while it is open."""
        return self._link.reason

    async def wait_closed(self) -> None:
        """Waits until the connection has ended, for any reason. Its calls have failed by then."""
        await self._link.wait_closed()

    async def __connect__(self) -> Link:
        # grpclib's client.Stream calls this before a request.
        self._link.check_open()
        if self._link.peer_goes_away:
            raise GRPCError(Status.UNAVAILABLE, "The server is going away")
        return self._link


@asynccontextmanager
async def connect(
    stream: trio.abc.Stream,
    *,
    authority: str,
    scheme: str = "http",
    codec: CodecBase,
    limits: LinkLimits | None = None,
) -> AsyncIterator[Channel]:
    """A channel over ``stream`` while the block runs.

    The connection's end does not end the block: its calls fail, and ``wait_closed`` returns. An
    exception of the block passes unchanged, not in a group.

    Resource handling: owns ``stream`` from here on, and closes it.
    Raises: ConnectionLost, if the server's SETTINGS do not come in time.
    Cancellation: closes at once.
    """
    limits = limits or LinkLimits()
    shared = Shared(limits, reads=False)
    link = Link(stream, limits=limits, counters=Counters(), shared=shared)
    async with background_nursery() as nursery:
        nursery.start_soon(shared.run)
        nursery.start_soon(link.run)
        try:
            await link.wait_ready()
            yield Channel(link, authority=authority, scheme=scheme, codec=codec, limits=limits)
        finally:
            link.end("the channel was closed")
            await link.wait_closed()
