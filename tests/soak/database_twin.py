"""A twin of PostgreSQL for virtual time: what the feed asks of a database, in memory.

asyncpg needs real sockets, which a mock clock would outrun. The twin takes the place of
``Postgres`` below the real feed. It may be away, commit and not answer, or lose its last batches
as a standby does that was behind.
"""

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast
from unittest.mock import patch

import trio

from derhead.daemon import composition
from derhead.daemon.feeding import FedDatabase
from derhead.dsn import read_dsn
from derhead.history import ClaimKeeper, Feed, Journal
from derhead.history.claim.claim_keeper import ClaimStatus
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable, Trouble
from derhead.history.postgres.database import Postgres
from derhead.history.postgres.tables.fed_database import Prepared, Stranger, Target
from derhead.history.postgres.tables.loader import Loader
from derhead.history.spool.feed_batch import FeedBatch
from derhead.history.sql import row_types
from derproto.base.runtime import Runtime
from derproto.der.v1 import QualityBit
from tests.soak.devices import COPY_READINGS, number_of

T = TypeVar("T")

DSN = read_dsn("postgresql://derhead@twin/derhead")

KEEP_DAYS = 400

ANSWER_S = 0.02
"""How long a batch takes."""

UNDOABLE = 20
"""Batches that a standby may be behind."""

_ASSET, _FREQUENCY, _QUALITY = map(row_types.TELEMETRY.index, ("asset", "frequency_hz", "quality"))
_ID, _STATE = map(row_types.DISPATCHES.index, ("id", "state"))
_STALE = int(QualityBit.STALE_DEVICE)


@dataclass
class DatabaseTwin:
    """The database, over all lives of the headend."""

    rng: random.Random
    away: int = 0
    """Faults that keep it away now."""
    readings: dict[str, bytearray] = field(default_factory=dict)
    """For each asset and reading, whether it is held."""
    states: dict[str, str] = field(default_factory=dict)
    """The state of each dispatch."""
    prepared: Prepared = field(default_factory=lambda: Prepared("twin", {}))
    batches: int = 0
    _undo: list[Callable[[], None]] = field(default_factory=list)

    def commit(self, batch: FeedBatch, target: Target) -> Stranger | None:
        """Takes the batch if it is the next one, or the last one again."""
        fed = self.prepared.fed.get(target.journal, 0)
        if (
            self.prepared.identity != target.identity
            or not target.number - 1 <= fed <= target.number
        ):
            return Stranger(self.prepared)
        added: list[tuple[bytearray, int]] = []
        for number, frequency_hz, quality in zip(
            batch.columns[_ASSET], batch.columns[_FREQUENCY], batch.columns[_QUALITY], strict=True
        ):
            if not quality & _STALE and number_of(frequency_hz) < COPY_READINGS:
                held = self.readings.setdefault(batch.assets[number], bytearray())
                reading = number_of(frequency_hz)
                held.extend(bytes(max(0, reading + 1 - len(held))))
                if not held[reading]:
                    held[reading] = 1
                    added.append((held, reading))
        before: dict[str, str | None] = {}
        for table, lines in batch.ordered:
            if table == "dispatches":
                for line in lines:
                    before.setdefault(line[_ID], self.states.get(line[_ID]))
                    self.states[line[_ID]] = line[_STATE]
        self.prepared.fed[target.journal] = target.number
        self.batches += 1

        def undo() -> None:
            for held, reading in added:
                held[reading] = 0
            for dispatch_id, state in before.items():
                if state is None:
                    del self.states[dispatch_id]
                else:
                    self.states[dispatch_id] = state
            self.prepared.fed[target.journal] = fed

        self._undo = [*self._undo[-UNDOABLE:], undo]
        return None

    def lose_last_batches(self) -> None:
        """A standby takes over that was some batches behind."""
        for _ in range(self.rng.randrange(1, UNDOABLE)):
            if self._undo:
                self._undo.pop()()


@dataclass
class _TwinLoader:
    twin: DatabaseTwin

    async def load(
        self, batch: FeedBatch, target: Target, now_us: int, keep_days: int
    ) -> Stranger | None:
        await trio.sleep(ANSWER_S)
        return self.twin.commit(batch, target)

    async def expire(self, cut_us: int, audit_us: int) -> bool:
        await trio.lowlevel.checkpoint()
        return False


@dataclass
class _TwinPostgres:
    """What feed and archive ask of ``Postgres``."""

    twin: DatabaseTwin
    dsn: object = DSN

    async def load(self, work: Callable[[Loader], Awaitable[T]], *, within_s: float) -> T:
        await self._reach(within_s)
        done = await work(cast(Loader, _TwinLoader(self.twin)))
        # It went away between its commit and its answer.
        await self._reach(within_s)
        return done

    async def fetch(self, sql: str, *args: object, within_s: float = 5.0) -> Sequence[object]:
        """The twin answers no questions: the journal has all that a run asks for."""
        await trio.lowlevel.checkpoint()
        raise StoreUnreachable(Trouble(StoreCause.UNREACHABLE, "the twin answers no questions"))

    async def _reach(self, within_s: float) -> None:
        await trio.lowlevel.checkpoint()
        if self.twin.away:
            await trio.sleep(self.twin.rng.choice((0.0, 1.0, within_s)))
            raise StoreUnreachable(Trouble(StoreCause.UNREACHABLE, "the twin is away"))


class _TwinClaim:
    """A claim that nobody disputes."""

    replaced: str | None = None

    def status(self) -> ClaimStatus:
        return ClaimStatus(True, 1, "held")

    async def release(self) -> None:
        await trio.lowlevel.checkpoint()


@contextmanager
def fed_by_headends(twin: DatabaseTwin) -> Iterator[None]:
    """Headends that start in the block feed the twin."""

    async def open_database(
        config: object, journal: Journal, runtime: Runtime, outside: trio.Nursery, **_more: object
    ) -> FedDatabase:
        await trio.lowlevel.checkpoint()
        postgres = cast(Postgres, _TwinPostgres(twin))
        feed = Feed(
            journal,
            postgres,
            runtime,
            random.Random(twin.rng.getrandbits(64)),
            keep_days=KEEP_DAYS,
            catch_up_rows_s=20_000.0,
        )
        outside.start_soon(feed.run)
        return FedDatabase(feed, cast(ClaimKeeper, _TwinClaim()))

    with patch.object(composition, "open_database", open_database):
        yield
