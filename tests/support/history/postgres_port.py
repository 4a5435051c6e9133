"""An open database service on a test's database."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio

from derhead.dsn import read_dsn
from derhead.history.postgres.connections.causes import StoreUnreachable
from derhead.history.postgres.database import Postgres
from derhead.history.postgres.tables.loader import Gate, Loader
from derproto.base.runtime import real_runtime
from tests.support.waiting import PATIENCE_S

T = TypeVar("T")


@asynccontextmanager
async def open_port(
    dsn: str, *, password_file: Path | None = None, gate: Gate | None = None
) -> AsyncIterator[Postgres]:
    port = Postgres(
        read_dsn(dsn), real_runtime(), random.Random(1), password_file=password_file, gate=gate
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(port.run)
        yield port
        nursery.cancel_scope.cancel()


async def connect_feed(port: Postgres) -> str:
    """Has the feed's connection made, and so the tables; returns the database's identity."""

    async def identity(loader: Loader) -> str:
        return loader.prepared.identity

    return await port.load(identity, within_s=20)


async def once_reachable(attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of ``attempt``, repeated while PostgreSQL cannot be reached."""
    with trio.fail_after(PATIENCE_S):
        while True:
            try:
                return await attempt()
            except StoreUnreachable:
                await trio.sleep(0.02)
