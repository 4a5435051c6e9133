"""A headend starts from PostgreSQL if PostgreSQL knows more than its journal.

Otherwise it would not control every dispatch, and its agents would release what they hold. So this
runs before anything is loaded from the journal. It fetches open dispatches, their groups, callers'
keys, open gaps, each agent's last session and heartbeat, and each asset's newest sample.
"""

import math
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio

from derhead.history.claim.claim_keeper import ClaimStatus
from derhead.history.feed import position
from derhead.history.feed.position import FeedPosition
from derhead.history.file import facts
from derhead.history.file.inserts import INSERTS, Insert
from derhead.history.journal.embedded import Journal
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable
from derhead.history.sql.progress import NOT_BEHIND
from derhead.history.sql.record_tables import RECORD_TABLES
from derhead.history.sql.row_types import Row
from derhead.history.writing import eventlog
from derhead.history.writing.ids import Ids
from derproto.base.runtime import Runtime
from derproto.stdio.log_events import event_log

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres
    from derhead.history.postgres.tables.fed_database import Prepared
    from derhead.history.postgres.tables.last_state import LastState
    from derhead.history.postgres.tables.loader import Loader

log = event_log(__name__)

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

_KEEPING = Insert("telemetry", RECORD_TABLES["telemetry"].columns, "DO NOTHING")

_FURTHER = Insert(
    "dispatches",
    RECORD_TABLES["dispatches"].columns,
    f"{RECORD_TABLES['dispatches'].on_conflict} WHERE {NOT_BEHIND}",
)
"""A dispatch that is further in the journal stays as it is."""


async def restore(
    journal: Journal,
    postgres: "Postgres",
    runtime: Runtime,
    *,
    wait_s: float,
    claim: ClaimStatus | None = None,
) -> None:
    """Gives the journal what PostgreSQL knows and the journal does not.

    That is so if the journal is empty or salvaged, if it is an older copy of itself, or if another
    headend held the database since. ``claim``: this headend's; None = it has none.

    Waits at most ``wait_s`` for PostgreSQL; then the headend starts without it, and logs that. But
    after another headend it waits for as long as it takes. Raises: JournalError.
    """
    before = await journal.maintain(position.begin)
    why = await _why(journal, postgres, before, claim)
    if why is not None:
        try:
            known = await _ask(
                postgres,
                runtime.wall_us(),
                math.inf if claim is not None and claim.another else wait_s,
                [dispatch.id for dispatch in await journal.open_dispatches()],
            )
        except StoreUnreachable as error:
            log.error(
                "PostgreSQL does not answer: the headend starts without its records, and withdraws "
                "orders that agents still hold",
                address=postgres.dsn,
                cause=why,
                reason=error,
            )
            return
        keep = partial(_keep, known=known, now_us=runtime.wall_us())
        changed = await journal.maintain(keep)
        fed = dict(known.prepared.fed)
        await journal.maintain(partial(position.adopt, database=known.prepared.identity, fed=fed))
        if known.tables["sessions"] or known.tables["dispatches"]:
            log.warning(
                "records came from PostgreSQL",
                dispatches=changed,
                agents=len({line[1] for line in known.tables["sessions"]}),
                reason=why,
            )
    if claim is not None and claim.held:
        await journal.maintain(partial(_put_term, term=claim.term))


async def is_new(journal: Journal) -> bool:
    """Whether the journal may have replaced one that was lost. Raises: JournalError."""
    return (await journal.maintain(position.begin)).database is None and (
        journal.salvaged is not None or await journal.inspect(_is_empty)
    )


async def _why(
    journal: Journal, postgres: "Postgres", before: FeedPosition, claim: ClaimStatus | None
) -> str | None:
    """Why PostgreSQL knows more than the journal, for people; None = it does not."""
    if await is_new(journal):
        return "the journal is " + ("empty" if journal.salvaged is None else "damaged")
    if claim is None or not claim.held:
        return None
    if claim.another is not None:
        return f"{claim.another} held PostgreSQL since this headend last did"
    try:
        prepared = await postgres.load(_prepared, within_s=FETCH_S)
    except StoreUnreachable:
        return None
    # One batch more may have been committed without the journal's knowledge.
    behind = prepared.fed.get(before.journal, 0) > before.number + 1
    if before.database == prepared.identity and behind:
        return "the journal is an older copy of itself"
    return None


async def _prepared(loader: "Loader") -> "Prepared":
    return loader.prepared


async def _ask(
    postgres: "Postgres", now_us: int, wait_s: float, known: Sequence[str]
) -> "LastState":
    deadline_s = trio.current_time() + wait_s
    while True:
        try:
            return await postgres.load(
                lambda loader: loader.last_state(now_us, known), within_s=FETCH_S
            )
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


def _keep(con: sqlite3.Connection, known: "LastState", now_us: int) -> int:
    """Stores what is new; returns how many dispatches changed."""
    tables = dict(known.tables)
    states_of: dict[str, list[Row]] = {}
    for line in tables.pop("dispatch_states"):
        states_of.setdefault(line[0], []).append(line)
    with con:
        con.execute("BEGIN IMMEDIATE")
        taken = [line[0] for line in tables.pop("dispatches") if _FURTHER.execute(con, [line])]
        for dispatch_id in taken:
            con.execute("DELETE FROM dispatch_states WHERE dispatch_id = ?", (dispatch_id,))
            INSERTS["dispatch_states"].execute(con, states_of.get(dispatch_id, []))
        for table, lines in tables.items():
            INSERTS[table].execute(con, lines)
        ids = Ids(con)
        assets = ids.assets(asset_id for asset_id, *_ in known.samples)
        boots = ids.boots((agent_id, int(boot_id)) for _, agent_id, boot_id, *_ in known.samples)
        _KEEPING.execute(
            con,
            (
                (assets[asset_id], ts_us, boots[agent_id, int(boot_id)], *rest)
                for asset_id, agent_id, boot_id, ts_us, *rest in known.samples
            ),
        )
        # Another log of events may have been read meanwhile.
        eventlog.begin_anew(con, now_us)
    return len(taken)


def _put_term(con: sqlite3.Connection, term: int) -> None:
    with con:
        con.execute("BEGIN IMMEDIATE")
        facts.put(con, facts.CLAIM_TERM, term)
