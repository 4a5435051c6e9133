"""A journal that was lost starts from PostgreSQL.

Otherwise the headend would control no dispatch, and its agents would release what they hold. So
this runs before anything is loaded from the journal. It fetches open dispatches, their groups,
callers' keys, open gaps, each agent's last session and heartbeat, and each asset's newest sample.
"""

import logging
import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import trio

from derhead.history.feed import position
from derhead.history.file.inserts import Insert
from derhead.history.journal.embedded import Journal
from derhead.history.postgres.causes import StoreCause, StoreUnreachable
from derhead.history.sql.record_tables import RECORD_TABLES
from derhead.history.writing.ids import Ids
from derproto.base.runtime import Runtime

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres
    from derhead.history.postgres.last_state import LastState

log = logging.getLogger(__name__)

AGAIN_S = 0.5
"""Pause between two attempts to reach PostgreSQL."""

FETCH_S = 30.0
"""Time to fetch everything."""

WORTH_WAITING = frozenset(
    {
        StoreCause.STARTING,
        StoreCause.UNREACHABLE,
        StoreCause.READ_ONLY,
        StoreCause.INTERRUPTED,
        StoreCause.OTHER,
    }
)
"""Causes that may pass by themselves; a wrong password does not."""

_KEEPING = {
    name: Insert(name, table.columns, "DO NOTHING") for name, table in RECORD_TABLES.items()
}
"""A row that the journal has already stays as it is."""


async def restore(
    journal: Journal, postgres: "Postgres", runtime: Runtime, *, wait_s: float
) -> None:
    """Gives an empty or salvaged journal what PostgreSQL knows.

    Waits at most ``wait_s`` for PostgreSQL; then the headend starts without it, and logs that. A
    journal that fed this PostgreSQL needs nothing. Raises: JournalError.
    """
    before = await journal.maintain(position.begin)
    if before.database is not None:
        return
    if journal.salvaged is None and not await journal.inspect(_is_empty):
        return
    try:
        known = await _ask(postgres, runtime.wall_us(), wait_s)
    except StoreUnreachable as error:
        log.error(
            "the journal is %s, and PostgreSQL at %s does not answer: %s. "
            "The headend starts without these records, and withdraws orders that agents still hold",
            "empty" if journal.salvaged is None else "damaged",
            postgres.dsn,
            error,
        )
        return
    prepared = known.prepared
    await journal.maintain(partial(_keep, known=known))
    await journal.maintain(
        partial(position.adopt, database=prepared.identity, fed=dict(prepared.fed))
    )
    if known.tables["sessions"] or known.tables["dispatches"]:
        log.warning(
            "the journal was %s: %d open dispatches and the records of %d agents came from "
            "PostgreSQL",
            "empty" if journal.salvaged is None else "damaged",
            len(known.tables["dispatches"]),
            len(known.tables["sessions"]),
        )


async def _ask(postgres: "Postgres", now_us: int, wait_s: float) -> "LastState":
    deadline_s = trio.current_time() + wait_s
    while True:
        try:
            return await postgres.load(lambda loader: loader.last_state(now_us), within_s=FETCH_S)
        except StoreUnreachable as error:
            waits = error.trouble.cause in WORTH_WAITING
            if not waits or trio.current_time() + AGAIN_S > deadline_s:
                raise
        await trio.sleep(AGAIN_S)


def _is_empty(con: sqlite3.Connection) -> bool:
    (empty,) = con.execute(
        "SELECT NOT EXISTS (SELECT 1 FROM sessions) AND NOT EXISTS (SELECT 1 FROM dispatches)"
        " AND NOT EXISTS (SELECT 1 FROM telemetry)"
    ).fetchone()
    return bool(empty)


def _keep(con: sqlite3.Connection, known: "LastState") -> None:
    with con:
        con.execute("BEGIN IMMEDIATE")
        for table, lines in known.tables.items():
            _KEEPING[table].execute(con, lines)
        ids = Ids(con)
        assets = ids.assets(asset_id for asset_id, *_ in known.samples)
        boots = ids.boots((agent_id, int(boot_id)) for _, agent_id, boot_id, *_ in known.samples)
        _KEEPING["telemetry"].execute(
            con,
            (
                (assets[asset_id], ts_us, boots[agent_id, int(boot_id)], *rest)
                for asset_id, agent_id, boot_id, ts_us, *rest in known.samples
            ),
        )
