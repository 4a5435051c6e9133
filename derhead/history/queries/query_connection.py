"""A connection that answers one question about the journal at a time."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import trio

from derhead.errors import JournalError
from derhead.history.file.damage import UNREADABLE
from derproto.base.runtime import Runtime

T = TypeVar("T")

STEPS_A_LOOK = 200_000
"""Steps of SQLite's machine between two progress checks: some 4 ms."""

LOOKS = 500
"""Progress checks of one question, each after 200,000 steps of SQLite's machine: some 2 s in all.
Meanwhile other questions on the connection wait. When full, the question is broken off with 503."""


class QueryConnection:
    """Runs queries on ``con`` in worker threads, first come, first served.

    ``on_error`` gets every error of SQLite, and of texts that are not UTF-8.
    """

    def __init__(
        self,
        con: sqlite3.Connection,
        runtime: Runtime,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._con = con
        self._runtime = runtime
        self._on_error = on_error
        self._looks = 0
        con.set_progress_handler(self._look, STEPS_A_LOOK)
        self.limiter = trio.CapacityLimiter(1)
        """No query runs while a task holds this limiter."""

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The query's answer.

        Cancellation: waits for a query that has begun. Raises: JournalError.
        """

        def ask() -> T:
            self._looks = 0
            return query(self._con)

        try:
            return await self._runtime.run_blocking(ask, limiter=self.limiter)
        except UNREADABLE as error:
            if self._on_error is not None:
                self._on_error(error)
            raise JournalError(f"the journal cannot be read: {error}") from error

    def _look(self) -> bool:
        self._looks += 1
        return self._looks > LOOKS
