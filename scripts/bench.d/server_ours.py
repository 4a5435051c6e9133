"""The headend's link as the benchmark drives it: real listener, sessions, desk and codec.

Without ``--journal``, telemetry ends in the latest table, as in the peers' dicts. With it,
everything goes through the real journal, and is acknowledged once it is on disk.

It prints ``{"port": P}`` when it listens. Then it obeys lines on standard input, and ends with that
input:

    stats     prints a line: sessions, rows taken, and since the last ``stats`` the times of
              setpoints, from the order to the report that the device started, and of messages,
              from the agent to the latest table
    orders R  dispatches R times a second from now on, asset by asset
    orders R N  does the same for the first N agents, of one asset each, and times their messages
              from the agent to the latest table
    memory    prints a line: the bytes that each package holds, if started with --trace
    acks on   acknowledges telemetry at once from now on, although no journal has it
    acks off  does not acknowledge telemetry, as at the start
"""

import argparse
import gc
import json
import os
import ssl
import sys
import time
import tracemalloc
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from fleets import agent_number, make_fleet
from without import PIECES

from derhead.audit import AuditTrail
from derhead.daemon.process import BACKLOG, GC_THRESHOLDS, SWITCH_INTERVAL_S
from derhead.dispatch import AssetOrder, Dispatch, DispatchDesk, State
from derhead.gaps import GapLedger, GapLimits, GapRecord
from derhead.history import Journal, open_journal
from derhead.sessions import HeartbeatRecord, SessionLimits, SessionRecord, Sessions
from derhead.telemetry import LatestTable, Sample, SampleBlock, stale_after_us
from derproto.base.runtime import real_runtime
from derproto.configuration.fleet import Fleet
from derproto.headend_rpc import SESSION, ColumnCodec
from derproto.tls.contexts import context_of
from derproto.tls.tls_files import TlsFile, TlsFiles, TlsRole
from derproto.tls.tls_listener import TlsListener
from derproto.triogrpc import LinkLimits, Server

OURS = ("triogrpc", "codec", "der", "sessions", "telemetry", "dispatch")
"""Packages of the headend that hold memory of a session."""

WINDOW_US = 60_000_000
"""Length of each order's window: none ends during a measurement."""

MAX_TIMES = 100_000
"""Times to acknowledgement, kept for the next ``stats``. When full, the oldest is dropped."""


class Stopwatch:
    """Times of setpoints, from the order to the report that the device started.

    Each asset has one order at a time, so the asset names the order.
    """

    def __init__(self) -> None:
        self._ordered_at: dict[str, float] = {}
        self.times_us: deque[int] = deque(maxlen=MAX_TIMES)

    def order(self, asset_id: str) -> None:
        self._ordered_at[asset_id] = trio.current_time()

    def see(self, dispatches: Sequence[Any]) -> None:
        """Notes the started dispatches that the store receives."""
        for dispatch in dispatches:
            if isinstance(dispatch, Dispatch) and dispatch.state is State.STARTED:
                ordered_at = self._ordered_at.pop(dispatch.asset_id, None)
                if ordered_at is not None:
                    self.times_us.append(round((trio.current_time() - ordered_at) * 1e6))


class NullJournal:
    """Keeps nothing. Acknowledges nothing, except after ``acks on``."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self.acks = False
        self.rows = 0
        self.timed_agents = 0
        self.ways_us: deque[int] = deque(maxlen=MAX_TIMES)

    def append_telemetry_nowait(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> bool:
        self.rows += len(samples)
        if self.timed_agents and isinstance(samples, SampleBlock) and self._is_timed(samples):
            self.ways_us.append(time.time_ns() // 1000 - samples.columns.ts_us[-1])
        if self.acks:
            on_durable()
        return True

    def _is_timed(self, samples: SampleBlock) -> bool:
        return agent_number(samples.agent_id) < self.timed_agents

    async def append_telemetry(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> None:
        self.append_telemetry_nowait(samples, on_durable, gaps)

    def take_ways_us(self) -> list[int]:
        """The times of the timed agents' messages since the last question."""
        ways_us, self.ways_us = list(self.ways_us), deque(maxlen=MAX_TIMES)
        return ways_us

    def note(self, record: SessionRecord | HeartbeatRecord | GapRecord) -> None:
        pass

    async def write(self, *records: Dispatch) -> None:
        self._stopwatch.see(records)

    async def open_dispatches(self) -> Sequence[Dispatch]:
        return ()


class WatchedJournal:
    """The real journal with a stopwatch."""

    def __init__(self, journal: Journal, stopwatch: Stopwatch) -> None:
        self._journal = journal
        self._stopwatch = stopwatch
        self.append_telemetry_nowait = journal.append_telemetry_nowait
        self.append_telemetry = journal.append_telemetry
        self.note = journal.note
        self.open_dispatches = journal.open_dispatches

    @property
    def rows(self) -> int:
        return self._journal.statistics().rows

    async def write(self, *records: Dispatch) -> None:
        await self._journal.write(*records)
        self._stopwatch.see(records)


Store = NullJournal | WatchedJournal


@asynccontextmanager
async def _null(stopwatch: Stopwatch) -> AsyncIterator[Store]:
    yield NullJournal(stopwatch)


@asynccontextmanager
async def _journaled(folder: Path, stopwatch: Stopwatch) -> AsyncIterator[Store]:
    async with open_journal(folder / "journal.db", real_runtime()) as journal:
        yield WatchedJournal(journal, stopwatch)


class Orders:
    """Orders dispatches at a steady rate, asset by asset."""

    def __init__(self, desk: DispatchDesk, fleet: Fleet, stopwatch: Stopwatch) -> None:
        self._desk = desk
        self._asset_ids = tuple(fleet.assets)
        self._stopwatch = stopwatch
        self._next = 0
        self.rate = 0.0
        self.agents: int | None = None

    async def keep_ordering(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                if not self.rate:
                    await trio.sleep(0.01)
                    continue
                nursery.start_soon(self._order, self._asset_ids[self._next])
                self._next = (self._next + 1) % (self.agents or len(self._asset_ids))
                await trio.sleep(1 / self.rate)

    async def _order(self, asset_id: str) -> None:
        self._stopwatch.order(asset_id)
        await self._desk.order(AssetOrder(asset_id, mw=1.0, duration_us=WINDOW_US))


async def serve(
    fleet: Fleet,
    opened: Callable[[Stopwatch], AbstractAsyncContextManager[Store]],
    tls: ssl.SSLContext | None = None,
) -> None:
    """Runs the link until standard input ends; with ``tls`` over that."""
    runtime = real_runtime()
    stopwatch, latest = Stopwatch(), LatestTable()
    async with opened(stopwatch) as store, trio.open_nursery() as nursery:
        desk = DispatchDesk(store, runtime)
        await nursery.start(desk.run)
        limits = SessionLimits(registers_per_s=100_000)
        period_ms = round(limits.telemetry_period_s * 1000)
        gaps = GapLedger(
            fleet.assets,
            latest,
            store,
            GapLimits.of_period(period_ms, stale_after_us(period_ms)),
            runtime,
        )
        sessions = Sessions(
            fleet,
            desk=desk,
            latest=latest,
            gaps=gaps,
            store=store,
            limits=limits,
            audit=AuditTrail(store, runtime),
            runtime=runtime,
        )
        nursery.start_soon(sessions.run)
        nursery.start_soon(gaps.run)
        server = Server({SESSION: sessions.serve}, codec=ColumnCodec(), limits=LinkLimits())
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=BACKLOG)
        served: Sequence[trio.abc.Listener[trio.abc.Stream]] = listeners
        if tls is not None:
            served = [TlsListener(each, lambda: tls) for each in listeners]
        nursery.start_soon(server.serve, served)
        orders = Orders(desk, fleet, stopwatch)
        nursery.start_soon(orders.keep_ordering)
        print(json.dumps({"port": listeners[0].socket.getsockname()[1]}), flush=True)
        async for line in _lines():
            command, *arguments = line.split()
            if command == "orders":
                orders.rate = float(arguments[0])
                orders.agents = int(arguments[1]) if arguments[1:] else None
                if isinstance(store, NullJournal):
                    store.timed_agents = orders.agents or 0
            elif command == "acks" and isinstance(store, NullJournal):
                store.acks = arguments[0] == "on"
            elif command == "stats":
                times_us, stopwatch.times_us = stopwatch.times_us, deque(maxlen=MAX_TIMES)
                stats = {
                    "sessions": sessions.statistics().open,
                    "rows": store.rows,
                    "setpoints_us": list(times_us),
                    "ways_us": store.take_ways_us() if isinstance(store, NullJournal) else [],
                }
                print(json.dumps(stats), flush=True)
            elif command == "memory":
                print(json.dumps(held_by()), flush=True)
        nursery.cancel_scope.cancel()


def mutual_tls(folder: Path) -> ssl.SSLContext:
    """The headend's context with the certificates of that folder."""
    cert, key, ca = (
        TlsFile(name, folder / name) for name in ("server.pem", "server.key", "ca.pem")
    )
    return context_of(TlsFiles(TlsRole.GRPC_SERVER, cert, key, ca))


def held_by() -> dict[str, int]:
    """Live bytes, by the package whose code allocated them. Only with ``--trace``."""
    gc.collect()
    held: Counter[str] = Counter()
    for statistic in tracemalloc.take_snapshot().statistics("filename"):
        parts = Path(statistic.traceback[0].filename).parts
        if "site-packages" in parts:
            owner = parts[parts.index("site-packages") + 1].removesuffix(".py")
        else:
            owner = next((part for part in parts if part in OURS), "Python")
        held[owner] += statistic.size
    return held


async def _lines() -> AsyncIterator[str]:
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
        rest = b""
        async for chunk in stdin:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--assets", type=int, required=True)
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--without", choices=list(PIECES))
    parser.add_argument("--trace", action="store_true", help="know who holds memory; slow")
    parser.add_argument("--tls", type=Path, help="folder of certificates; agents show theirs")
    options = parser.parse_args()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLDS)
    if options.trace:
        tracemalloc.start()
    if options.without is not None:
        PIECES[options.without]()

    def opened(stopwatch: Stopwatch) -> AbstractAsyncContextManager[Store]:
        if options.journal is None:
            return _null(stopwatch)
        return _journaled(options.journal, stopwatch)

    tls = None if options.tls is None else mutual_tls(options.tls)
    trio.run(serve, make_fleet(options.assets), opened, tls)


if __name__ == "__main__":
    main()
