"""The second half of subject ``ingest``: from the journal into PostgreSQL.

A real PostgreSQL with ``fsync`` runs on the same two cores as everything else. First the headend
is saturated, and the clock stops when PostgreSQL has all rows. Then PostgreSQL is stopped while
an hour's rows arrive, and the backlog is timed after its return. The peer is one connection that
inserts the same rows into the same table.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path

from contest import Budget, Contestant, Sheet, compete
from errors import Failed
from generator import ANSWER_S, Agents, connected
from measures import OURS, Findings, Measure
from processes import running
from servers import Server, Servers
from workshop import HERE, ROOT, Workshop

# The tests' PostgreSQL serves here too.
sys.path.append(str(ROOT))
from tests.support.processes.postgres import PostgresServer, fresh_database, running_postgres

ROWS = 50
"""Rows in each message."""

HOUR_ROWS = 900_000
"""What 1,000 assets send in an hour, one sample every 4 s."""

QUICK_ROWS = 100_000

STEP_S = 0.5
"""The outage's rows come in steps, so that the run can look at memory between them."""

LOOK_S = 0.05
"""Pause between two looks at the rows that wait, seconds."""

FEEDING_S = 120.0

END_TO_END = Measure("end_to_end_rows_per_s", "rows from agents into PostgreSQL (rows/s)")
FEED = Measure("feed_rows_per_s", "rows of a backlog into PostgreSQL (rows/s)")
AWAY = Measure("away_rows_per_s", "rows to durable while PostgreSQL is away (rows/s)")
SHARES = (0.25, 0.5, 1.0)
MEMORY = tuple(
    Measure(
        f"away_rss_mb_{round(share * 100)}",
        f"memory after {share:.0%} of an hour without PostgreSQL (MiB)",
        lower_is_better=True,
    )
    for share in SHARES
)
MEASURES = (END_TO_END, FEED, AWAY, *MEMORY)

SETTINGS = {"DERHEAD_POSTGRES_CATCH_UP_ROWS_S": "1000000"}
"""Lifts the feed's own bound, which spares the headend and is far below its capacity."""


def run(workshop: Workshop, budget: Budget, fleet: Path, assets: Path) -> list[Findings]:
    """``fleet``, ``assets``: of the 1,000 assets at saturation."""
    with running_postgres(fsync=True) as postgres:
        contestants = [
            Contestant(
                OURS,
                tuple(measure.key for measure in MEASURES),
                partial(_ours, workshop, budget, fleet, assets, postgres),
            ),
            *(
                Contestant(
                    how, (END_TO_END.key, FEED.key), partial(_bare, workshop, budget, how, postgres)
                )
                for how in ("unnest", "copy")
            ),
        ]
        return compete(MEASURES, contestants, budget, main_peer="unnest", tell=workshop.tell)


def _ours(
    workshop: Workshop,
    budget: Budget,
    fleet: Path,
    assets: Path,
    postgres: PostgresServer,
    sheet: Sheet,
) -> None:
    servers = Servers(workshop, budget)
    with fresh_database(postgres) as database:
        settings = {**SETTINGS, "DERHEAD_POSTGRES_DSN": database.dsn}
        with (
            servers.derhead(assets, workshop.cores.both, settings=settings) as server,
            connected(workshop, budget, fleet, server.port) as agents,
        ):
            agents.require_all()
            began_s = time.monotonic()
            window = agents.go(server, rate=0, rows=ROWS, warmup_s=0, seconds=budget.pick(1.5, 5.0))
            _wait_fed(server, budget)
            sheet.put(END_TO_END.key, window.acked_rows / (time.monotonic() - began_s))
            postgres.stop()
            _outage(server, agents, budget, sheet)
            postgres.start()
            # After an outage the feed pauses before it tries again. That pause does not count.
            rows = _wait_feeding(server, budget)
            began_s = time.monotonic()
            _wait_fed(server, budget)
            sheet.put(FEED.key, rows / (time.monotonic() - began_s))


def _outage(server: Server, agents: Agents, budget: Budget, sheet: Sheet) -> None:
    """Takes an hour's rows while PostgreSQL is away."""
    wanted = budget.pick(QUICK_ROWS, HOUR_ROWS)
    rows, seconds = 0, 0.0
    waiting = list(zip(SHARES, MEMORY, strict=True))
    while waiting:
        window = agents.go(server, rate=0, rows=ROWS, warmup_s=0, seconds=STEP_S)
        rows, seconds = rows + window.acked_rows, seconds + window.seconds
        while waiting and rows >= waiting[0][0] * wanted:
            _, measure = waiting.pop(0)
            sheet.put(measure.key, server.child.rss_kb() / 1024)
    sheet.put(AWAY.key, rows / seconds)


def _wait_feeding(server: Server, budget: Budget) -> int:
    """Returns, once the first waiting row is fed, the number of rows that still wait.

    Raises: Failed if that takes too long.
    """
    with _journal(server) as con:
        oldest = "SELECT min(id) FROM unfed"
        before = con.execute(oldest).fetchone()
        _wait_until(lambda: con.execute(oldest).fetchone() != before, budget)
        return int(con.execute("SELECT coalesce(sum(rows), 0) FROM unfed").fetchone()[0])


def _wait_fed(server: Server, budget: Budget) -> None:
    """Returns when nothing waits to be fed. Raises: Failed if that takes too long."""
    with _journal(server) as con:
        _wait_until(lambda: not con.execute("SELECT 1 FROM unfed LIMIT 1").fetchone(), budget)


def _wait_until(done: Callable[[], bool], budget: Budget) -> None:
    deadline_s = time.monotonic() + budget.timeout_s(FEEDING_S)
    while not done():
        if time.monotonic() > deadline_s:
            raise Failed("PostgreSQL was not fed in time")
        time.sleep(LOOK_S)


def _journal(server: Server) -> AbstractContextManager[sqlite3.Connection]:
    """The headend's journal, to be looked at."""
    assert server.journal is not None
    return closing(sqlite3.connect(f"file:{server.journal}?mode=ro", uri=True))


def _bare(
    workshop: Workshop, budget: Budget, how: str, postgres: PostgresServer, sheet: Sheet
) -> None:
    seconds = budget.pick(1.5, 5.0)
    with fresh_database(postgres) as database:
        command = (
            *(sys.executable, HERE / "bare_postgres.py"),
            *("--dsn", database.dsn, "--how", how, "--seconds", seconds),
        )
        with running(how, command, cores=workshop.cores.both, logs=workshop.logs) as child:
            # Making the rows takes about as long as storing them.
            done = json.loads(child.wait(budget.timeout_s(4 * seconds + ANSWER_S)))
    for measure in (END_TO_END, FEED):
        sheet.put(measure.key, done["rows"] / done["seconds"])
