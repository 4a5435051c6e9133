"""The keeper of idempotency keys: takes one order of a key at a time, and forgets old keys.

The journal has the keys, each with its order. Memory holds only their number, and the keys of
orders that are being taken now.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import trio

from derhead.dispatch.orders.idempotency import KEPT_US, ForgetKeys, UsedKey
from derhead.errors import JournalError
from derproto.base.runtime import Runtime
from derproto.stdio.log_events import event_log

log = event_log(__name__)

MAX_KEYS = 1_000_000
"""Idempotency keys that are kept. When full, an order with a new key is refused with 503 until
the oldest keys are a day old; an order without a key is still taken."""

FORGOTTEN_AT_ONCE = 5_000
"""Keys deleted in one transaction, which takes a few milliseconds."""

CHECK_S = 60.0
"""Pause between two searches for old keys."""


class InFlight(Exception):
    """The first order of the key has not been answered yet."""


class TooManyKeys(JournalError):
    """No more keys can be stored now."""


class KeyStore(Protocol):
    """The part of the journal that the keeper uses. Raises: JournalError."""

    async def used_key(self, key: str) -> UsedKey | None: ...

    async def count_keys(self) -> int: ...

    async def write(self, *records: ForgetKeys) -> None: ...


class KeyKeeper:
    """Takes one order of a key at a time, and forgets keys after a day.

    Resource handling: ``run`` is its one task. ``claim`` and ``find`` need no task.
    """

    def __init__(
        self, store: KeyStore, flush_desk: Callable[[], Awaitable[None]], runtime: Runtime
    ) -> None:
        self._store = store
        self._flush_desk = flush_desk
        self._wall_us = runtime.wall_us
        self._in_flight: set[str] = set()
        self._count = 0

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Reserves the key while its order is being taken. Raises: InFlight."""
        if key in self._in_flight:
            raise InFlight(key)
        # At most one key for each open request, and the HTTP server bounds those.
        self._in_flight.add(key)
        try:
            yield
        finally:
            self._in_flight.discard(key)

    async def find(self, key: str) -> UsedKey | None:
        """The order that the key led to within the last day; None = the key is new.

        Call ``find`` under ``claim``. It waits for the desk first: an earlier order of the key may
        be on its way to the disk although its caller hung up.

        Raises: TooManyKeys if the key is new and cannot be stored; JournalError.
        """
        await self._flush_desk()
        used = await self._store.used_key(key)
        if used is not None and used.created_us > self._wall_us() - KEPT_US:
            return used
        if self._count >= MAX_KEYS:
            raise TooManyKeys(
                f"the headend remembers {MAX_KEYS} idempotency keys, each for a day, and no more; "
                "order without a key"
            )
        return None

    def count_one(self) -> None:
        """Counts a key that was journaled."""
        self._count += 1

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deletes old keys until cancelled. Raises: JournalError at the start."""
        self._count = await self._store.count_keys()
        task_status.started()
        while True:
            await trio.sleep(CHECK_S)
            try:
                await self._forget()
            except JournalError as error:
                log.warning("old idempotency keys are not deleted yet", reason=error)

    async def _forget(self) -> None:
        before = await self._store.count_keys()
        while before:
            forget = ForgetKeys(self._wall_us() - KEPT_US, FORGOTTEN_AT_ONCE)
            await self._store.write(forget)
            self._count = await self._store.count_keys()
            if self._count > before - FORGOTTEN_AT_ONCE:
                return
            before = self._count
