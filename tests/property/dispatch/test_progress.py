"""A stored dispatch never goes backwards, whatever order its versions arrive in."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from derhead.dispatch import Dispatch, State
from derhead.dispatch.life.lifecycle import Forgotten, LinkLost, Sent
from derhead.history.file.schema import migrations
from derhead.history.postgres.tables.fed_database import Target
from derhead.history.postgres.tables.loader import Loader
from derhead.history.spool.feed_batch import merged
from derhead.history.spool.payload import CommitChanges, pack, unpack
from derhead.history.sql import listings, mapping, row_types
from derhead.history.sql.progress import NOT_BEHIND
from derhead.history.sql.record_tables import RECORD_TABLES
from tests.property.dispatch.lives import Steps, counted_steps, dispatches, lived, steps
from tests.support.dispatch.dispatches import in_state, new
from tests.support.epoch import T0
from tests.support.history.postgres_port import open_port
from tests.support.processes.postgres import Database, PostgresServer, fresh_database

_MARKS = ", ".join("?" * len(row_types.DISPATCHES))
UPSERT = (
    f"INSERT INTO dispatches ({', '.join(row_types.DISPATCHES)}) VALUES ({_MARKS})"
    f" ON CONFLICT {RECORD_TABLES['dispatches'].on_conflict} WHERE {NOT_BEHIND}"
)


def versions(dispatch: Dispatch, steps: Steps) -> list[Dispatch]:
    return [version for _, version in lived(dispatch, steps)]


@pytest.fixture(scope="module")
def table() -> Iterator[sqlite3.Connection]:
    """The table of dispatches in SQLite, where a statement takes microseconds."""
    with closing(sqlite3.connect(":memory:")) as con:
        for script in migrations().values():
            con.executescript(script)
        yield con


def keep(con: sqlite3.Connection, version: Dispatch) -> bool:
    """Whether the table took the version."""
    return con.execute(UPSERT, mapping.dispatch_row(version)).rowcount == 1


FORGOTTEN: Steps = [(Sent("s1"), 0), (LinkLost(), 0), (Forgotten(), 0), (Sent("s2"), 0)]


@given(dispatch=dispatches, steps=steps)
@example(dispatch=new(), steps=FORGOTTEN)
def test_each_step_of_a_life_is_taken(
    table: sqlite3.Connection, dispatch: Dispatch, steps: Steps
) -> None:
    table.execute("DELETE FROM dispatches")
    assert all(keep(table, version) for version in versions(dispatch, steps))


@given(dispatch=dispatches, steps=counted_steps, data=st.data())
def test_in_any_order_the_newest_version_stays(
    table: sqlite3.Connection, dispatch: Dispatch, steps: Steps, data: st.DataObject
) -> None:
    table.execute("DELETE FROM dispatches")
    life = versions(dispatch, steps)
    arriving = data.draw(st.permutations(life + life))
    newest = -1
    for version in arriving:
        keep(table, version)
        newest = max(newest, life.index(version))
        (found,) = table.execute(f"SELECT {', '.join(row_types.DISPATCHES)} FROM dispatches")
        assert found == mapping.dispatch_row(life[newest])


# --- PostgreSQL itself ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    with fresh_database(postgres_server) as database:
        yield database


def spooled(version: Dispatch) -> CommitChanges:
    """As the journal spools it."""
    return CommitChanges(
        records=[
            ("dispatches", [mapping.dispatch_row(version)]),
            ("dispatch_states", mapping.state_rows(version)),
        ]
    )


async def fed(database: Database, commits: list[list[Dispatch]]) -> list[Dispatch]:
    """What PostgreSQL has after each batch of versions of one dispatch."""
    found: list[Dispatch] = []

    async def feed(versions: list[Dispatch], number: int, loader: Loader) -> None:
        batch = merged(unpack(pack(spooled(version))) for version in versions)
        target = Target(loader.prepared.identity, "journal", number)
        loader.prepared.fed["journal"] = number - 1
        assert await loader.load(batch, target, T0, 400) is None

    async with open_port(database.dsn) as port:
        for number, commit in enumerate(commits, 1):
            await port.load(partial(feed, commit, number), within_s=20)
            (row,) = await port.fetch(listings.dialect(listings.DISPATCHES))
            found.append(mapping.to_dispatch(row))

        async def clear(loader: Loader) -> None:
            await loader.connection.execute("DELETE FROM dispatches; DELETE FROM dispatch_states")

        await port.load(clear, within_s=20)
    return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(dispatch=dispatches, before=counted_steps, one=steps, other=steps, data=st.data())
def test_two_headends_with_one_dispatch_never_move_it_backwards(
    database: Database,
    dispatch: Dispatch,
    before: Steps,
    one: Steps,
    other: Steps,
    data: st.DataObject,
) -> None:
    common = versions(dispatch, before)
    known = [*common, *versions(common[-1], one), *versions(common[-1], other)]
    arriving = data.draw(st.permutations(known))
    cut = data.draw(st.integers(1, len(arriving)))
    stored = trio.run(fed, database, [arriving[:cut], *([each] for each in arriving[cut:])])
    # A row and its states are always of one version.
    assert all(found in known for found in stored)
    for before_it, found in pairwise(stored):
        assert place(found) >= place(before_it)
        assert not before_it.ended or found.state is before_it.state


def place(version: Dispatch) -> tuple[bool, int, int, int]:
    at_agent = {State.RECEIVED: 1, State.STARTED: 2}.get(version.state, 0)
    return version.ended, at_agent, version.revision, version.attempts


async def test_a_verdict_stays_when_the_end_arrives_again(postgres: Database) -> None:
    end = in_state(State.COMPLETED)
    judged = replace(end, verdict=json.dumps({"outcome": "achieved"}))
    assert await fed(postgres, [[end], [judged], [end]]) == [end, judged, judged]
