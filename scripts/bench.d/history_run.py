"""Reads a day of an asset in steps of a minute, and a million rows, as callers do.

The peer is the bare statement that groups the day's rows. It finds no last power, no exact mean,
and no asset by its id. Run this with a folder and ``quick`` or ``full``.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from derhead.api import create_app
from derhead.dsn import read_dsn
from derhead.headend import Headend
from derhead.history import Archive, Journal, RetentionLimits, make_postgres, open_journal
from derhead.httpserver import serve_http
from derhead.sessions import SessionLimits
from derhead.telemetry import Sample
from derproto.base.runtime import real_runtime
from derproto.configuration.fleet import Asset, AssetKind, Fleet, Limits, Site
from tests.support.processes.postgres import fresh_database, running_postgres

ASSET, SITE = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
OTHERS = 4
"""Other assets, whose rows lie between those of the asset."""

S = 1_000_000
DAY_S = 86_400
BEGIN_US = 1_800_000_000 * S // (DAY_S * S) * DAY_S * S
MINUTE_US = 60 * S
LONG_ROWS = {"quick": 100_000, "full": 1_000_000}
ROUNDS = {"quick": 5, "full": 15}

BARE = (
    "SELECT ts_us / 60000000 * 60000000, count(*), avg(p_mw), min(p_mw), max(p_mw)"
    " FROM telemetry WHERE asset = {asset} AND ts_us >= {low} AND ts_us < {high}"
    " GROUP BY 1 ORDER BY 1 DESC"
)
SPAN = {"from_us": BEGIN_US, "to_us": BEGIN_US + DAY_S * S}

Ask = Callable[[], Awaitable[Any]]


def samples_of(asset: str, first: int, count: int, rng: random.Random) -> list[Sample]:
    return [
        Sample(
            asset, asset, 7, n + 1, BEGIN_US + n * S + rng.randrange(1000), BEGIN_US + n * S,
            rng.uniform(-2, 2), 0.1, 0.5, 277.1, 60.01, 4, 0, None,
        )
        for n in range(first, first + count)
    ]  # fmt: skip


async def fill(journal: Journal, rows: int) -> None:
    """A day of several assets in the order of arrival, after older rows of the first asset."""
    rng = random.Random(1)
    assets = [ASSET, *(f"00000000-0000-4000-8000-0000000000{n}" for n in range(10, 10 + OTHERS))]
    for first in range(0, DAY_S, 600):
        for asset in assets:
            await append(journal, samples_of(asset, first, 600, rng))
    for first in range(-rows, 0, 5000):
        await append(journal, samples_of(ASSET, first, min(5000, -first), rng))


async def append(journal: Journal, samples: list[Sample]) -> None:
    durable = trio.Event()
    await journal.append_telemetry(samples, durable.set)
    await durable.wait()


async def median_ms(ask: Ask, rounds: int) -> float:
    await ask()
    took = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began_s) * 1e3)
    return statistics.median(took)


def shape(title: str, ours: float, bare: float | None) -> dict[str, object]:
    peers = {} if bare is None else {"bare query": bare}
    return {"title": title, "ours": ours, "peers": peers}


async def get(port: int, path: str, accept: str) -> int:
    """Bytes of a whole answer."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close"
        await stream.send_all(f"{request}\r\n\r\n".encode())
        taken = 0
        end = b""
        while data := await stream.receive_some(65536):
            taken += len(data)
            end = (end + data)[-200:]
    assert end.endswith(b"\r\n0\r\n\r\n") or b'"next_cursor"' in end, end
    return taken


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def ask_small(port: int, path: str, took: list[float]) -> None:
    """Asks a short question every 20 ms."""
    while True:
        began_s = time.perf_counter()
        await get(port, path, "application/json")
        took.append((time.perf_counter() - began_s) * 1e3)
        await trio.sleep(0.02)


async def watch_memory(peak: list[float]) -> None:
    while True:
        peak[0] = max(peak[0], resident_mb())
        await trio.sleep(0.05)


async def of_journal(folder: Path, size: str, found: dict[str, object]) -> None:
    runtime = real_runtime()
    limits = Limits(-2.0, 2.0)
    fleet = Fleet(
        {SITE: Site(SITE, "Here")},
        {ASSET: Asset(ASSET, "battery", SITE, AssetKind.BATTERY, 2.0, limits)},
    )
    async with open_journal(
        folder / "journal.db", runtime, synchronous="OFF", group_ms=1
    ) as journal:
        rows = LONG_ROWS[size] - DAY_S
        await fill(journal, rows)
        bare_sql = BARE.format(asset=1, low=SPAN["from_us"], high=SPAN["to_us"])
        bare = await median_ms(
            lambda: journal.inspect(lambda con: con.execute(bare_sql).fetchall()), ROUNDS[size]
        )
        ours = await median_ms(
            partial(journal.telemetry_buckets, ASSET, step_us=MINUTE_US, limit=2000, **SPAN),
            ROUNDS[size],
        )
        found["history_day_sqlite_ms"] = shape("24 h at 1 s by minutes, SQLite (ms)", ours, bare)
        headend = Headend(
            fleet, journal, limits=SessionLimits(), retention=RetentionLimits(), runtime=runtime
        )
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port: int = listener.socket.getsockname()[1]
            stopping = trio.Event()
            await nursery.start(
                lambda task_status: serve_http(
                    create_app(headend), [listener], stopping=stopping, task_status=task_status
                )
            )
            history = f"/telemetry/{ASSET}/history"
            day = "from=2027-01-15T00:00:00Z&to=2027-01-16T00:00:00Z"
            by_minutes = partial(
                get, port, f"{history}?{day}&step=1m&limit=1440", "application/json"
            )
            ours = await median_ms(by_minutes, ROUNDS[size])
            found["history_day_rest_ms"] = shape("the same over REST, JSON (ms)", ours, bare)
            before_mb = resident_mb()
            peak = [before_mb]
            nursery.start_soon(watch_memory, peak)
            beside: list[float] = []
            for accept, name in (("text/csv", "csv"), ("application/json", "json")):
                async with trio.open_nursery() as others:
                    others.start_soon(ask_small, port, f"{history}?limit=10", beside)
                    began_s = time.perf_counter()
                    await get(port, f"{history}?limit={LONG_ROWS[size]}", accept)
                    rows_per_s = LONG_ROWS[size] / (time.perf_counter() - began_s)
                    others.cancel_scope.cancel()
                found[f"history_{name}_rows_per_s"] = shape(
                    f"{LONG_ROWS[size]:,} rows over REST, {name.upper()} (rows/s)", rows_per_s, None
                )
            found["history_beside_p99_ms"] = shape(
                "a page of 10 rows meanwhile, p99 (ms)",
                statistics.quantiles(beside, n=100)[98],
                None,
            )
            found["history_long_mb"] = shape(
                "memory that these two took (MiB)", peak[0] - before_mb, None
            )
            nursery.cancel_scope.cancel()


async def of_postgres(dsn: str, size: str, found: dict[str, object]) -> None:
    async with trio.open_nursery() as nursery:
        port = make_postgres(read_dsn(dsn), real_runtime(), random.Random(1))
        await nursery.start(port.run)
        await port.load(_nothing, within_s=30)
        await port.fetch(
            f"CREATE TABLE telemetry_day PARTITION OF telemetry"
            f" FOR VALUES FROM ({SPAN['from_us']}) TO ({SPAN['to_us']})"
        )
        for number in range(1 + OTHERS):
            asset = ASSET if number == 0 else f"other-{number}"
            await port.fetch("INSERT INTO assets (asset_id) VALUES ($1)", asset)
            await port.fetch("INSERT INTO boots (agent_id, boot_id) VALUES ($1, '7')", asset)
        await port.fetch(
            "INSERT INTO telemetry (asset, boot, ts_us, seq, received_us, p_mw, q_mvar, soc,"
            " voltage_v, frequency_hz, status, quality, setpoint_mw)"
            " SELECT a, a, $1::bigint + s * 1000000::bigint + (s * 7919::bigint + a) % 1000,"
            " s + 1, $1, 4 * random() - 2, 0.1, 0.5, 277.1, 60.01, 4, 0, NULL"
            f" FROM generate_series(0, {DAY_S - 1}) AS s, generate_series(1, {1 + OTHERS}) AS a",
            SPAN["from_us"],
            within_s=60.0,
        )
        await port.fetch("ANALYZE telemetry", within_s=60.0)
        archive = Archive(port)
        bare_sql = BARE.format(asset=1, low=SPAN["from_us"], high=SPAN["to_us"])
        bare = await median_ms(partial(port.fetch, bare_sql), ROUNDS[size])
        ours = await median_ms(
            partial(archive.telemetry_buckets, ASSET, step_us=MINUTE_US, limit=2000, **SPAN),
            ROUNDS[size],
        )
        found["history_day_postgres_ms"] = shape(
            "24 h at 1 s by minutes, PostgreSQL (ms)", ours, bare
        )
        nursery.cancel_scope.cancel()


async def _nothing(loader: object) -> None:
    """Makes the tables, through the feed's connection."""


def main() -> None:
    folder, size = Path(sys.argv[1]), sys.argv[2]
    found: dict[str, object] = {}
    trio.run(of_journal, folder, size, found)
    with running_postgres() as server, fresh_database(server) as database:
        trio.run(of_postgres, database.dsn, size, found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
