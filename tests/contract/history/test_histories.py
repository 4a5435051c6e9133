"""One contract, three stores: the journal, PostgreSQL, and both as one, divided at any time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from random import Random
from typing import TypeVar

import pytest

from derhead.audit import AuditAction, AuditRecord
from derhead.dispatch import Dispatch, DispatchGroup, State
from derhead.gaps import GapRecord, HoleCause
from derhead.history import BadCursor, Page
from derhead.history.postgres.archive import Archive
from derhead.history.sql.histories import Histories
from derhead.history.sql.page_request import EVER, PageRequest, TimeRange
from derhead.history.writing.record_store import Record
from derhead.service_levels import LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample
from tests.contract.history.stores import Records, fill, journal_of, union_of
from tests.support.epoch import S
from tests.support.history.postgres_port import connect_feed, open_port
from tests.support.history.records import dispatch, entry, gap, heartbeat, level, sample, session
from tests.support.processes.postgres import Database

T = TypeVar("T")

END = 40
"""All times here lie between 0 and this many seconds."""

GROUP = DispatchGroup(
    "group", "site-1", 2.0, 5 * S, 5 * S, None, 128, cancelling="x", withdrawn_by="bert"
)


def some_samples(rng: Random) -> list[Sample]:
    """Several agents and boots at the same times; some boots sort differently as text."""
    found = {}
    for n in range(120):
        one = sample(
            rng.randrange(1, 5),
            asset=rng.choice(("asset-1", "asset-1", "asset-2")),
            agent=rng.choice(("agent-1", "agent-2", "Agent-1")),
            boot=rng.choice((9, 10, 2**64 - 1)),
            ts_us=rng.randrange(END) * S,
            p_mw=rng.choice((None, float(n))),
        )
        found[one.asset_id, one.ts_us, one.agent_id, one.boot_id, one.seq] = one
    return list(found.values())


def order(one: Sample) -> tuple[int, str, str, int]:
    return one.ts_us, one.agent_id, str(one.boot_id), one.seq


@dataclass(frozen=True)
class Made:
    """Records of every kind."""

    dispatches: list[Dispatch]
    sessions: list[SessionRecord]
    heartbeats: list[HeartbeatRecord]
    gaps: list[GapRecord]
    entries: list[AuditRecord]
    levels: list[LevelHour]

    def all(self) -> list[Record]:
        found: list[Record] = [GROUP, *self.dispatches, *self.sessions, *self.heartbeats]
        return [*found, *self.gaps, *self.entries, *self.levels]


def make_records() -> Made:
    states = (State.PENDING, State.STARTED, State.COMPLETED)
    return Made(
        [
            dispatch(
                f"d-{n:02}",
                asset=f"asset-{n % 3}",
                created_us=n // 2 * S,
                states=states[: n % 3 + 1],
                ordered_by=(None, "anna")[n % 2],
            )
            for n in range(END)
        ],
        [
            session(
                f"s-{n:02}",
                agent=f"agent-{n % 2}",
                connected_us=n // 3 * S,
                proof=(None, "certificate")[n % 2],
            )
            for n in range(END)
        ],
        [heartbeat(n * S, agent=f"agent-{n % 2}") for n in range(END)],
        [
            gap(f"g-{n:02}", asset=f"asset-{n % 2}", start_us=n * S, end_us=n * S + 5)
            for n in range(END)
        ],
        [
            entry(
                f"e-{n:02}",
                n // 2 * S,
                action=(AuditAction.ORDER, AuditAction.ORDER_REFUSED)[n % 2],
                caller=(None, "anna", "bert")[n % 3],
                target=(None, "d-1")[n % 2],
                site=(None, "site-1", "site-2")[n // 2 % 3],
            )
            for n in range(END)
        ],
        [level(n * S, asset=f"asset-{n % 2}") for n in range(END)],
    )


def when(one: object) -> int:
    """The time that its key begins with."""
    match one:
        case Sample():
            return one.ts_us
        case Dispatch() | DispatchGroup():
            return one.created_us
        case SessionRecord():
            return one.connected_us
        case HeartbeatRecord():
            return one.received_us
        case GapRecord():
            return one.start_us
        case AuditRecord():
            return one.at_us
        case LevelHour():
            return one.hour_us
        case _:
            raise AssertionError(one)


def part(all_of_them: Sequence[T], horizon_us: int | None, rng: Random) -> tuple[list[T], list[T]]:
    """The records of the journal, and those of PostgreSQL.

    Older records are in PostgreSQL, some of them also in the journal. Newer ones are in the
    journal, some of them also in PostgreSQL. The journal never lets an open dispatch go.
    """
    journal, archive = [], []
    for one in all_of_them:
        older = horizon_us is not None and when(one) < horizon_us
        is_open = isinstance(one, Dispatch) and not one.ended
        if not older or is_open or rng.random() < 0.5:
            journal.append(one)
        if older or rng.random() < 0.5:
            archive.append(one)
    return journal, archive


@asynccontextmanager
async def opened(
    store: str, postgres: Database, kept: Records, rng: Random
) -> AsyncIterator[Histories]:
    """The store with these records."""
    if store == "journal":
        with journal_of(kept) as reader:
            yield reader
        return
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        if store == "postgres":
            await fill(port, kept)
            yield Archive(port)
            return
        horizon_us = None if store == "whole" else int(store) * S
        samples = part(kept.samples, horizon_us, rng)
        records = part(kept.records, horizon_us, rng)
        journal, archive = map(Records, samples, records)
        async with union_of(port, journal, archive, horizon_us) as union:
            yield union


STORES = ("journal", "postgres", "whole", "0", "7", "20", "33", "50")
"""A number is the second at which journal and PostgreSQL are divided."""


async def all_of(
    ask: Callable[[PageRequest], Awaitable[Page[T]]], limit: int, within: TimeRange = EVER
) -> list[T]:
    """All items, page by page."""
    items: list[T] = []
    cursor: str | None = None
    while True:
        page = await ask(PageRequest(limit, within, cursor))
        assert len(page.items) <= limit
        items.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return items


@pytest.mark.parametrize("store", STORES)
async def test_every_store_gives_every_page_of_every_history(
    store: str, postgres: Database
) -> None:
    rng = Random(store)
    samples, made = some_samples(rng), make_records()
    newest_first = sorted(samples, key=order, reverse=True)
    async with opened(store, postgres, Records(samples, made.all()), rng) as past:
        for low, high in ((None, None), (5 * S, 30 * S), (None, 10 * S), (33 * S, None)):
            span = TimeRange(low, high)
            for limit in (1, 7, 200):
                for asset in ("asset-1", "asset-2", "asset-9"):
                    assert await all_of(
                        partial(past.telemetry_history, asset), limit, span
                    ) == within(low, high, [one for one in newest_first if one.asset_id == asset])
                assert await all_of(partial(past.sessions, "agent-1"), limit, span) == within(
                    low, high, [one for one in made.sessions[::-1] if one.agent_id == "agent-1"]
                )
                assert await all_of(partial(past.heartbeats, "agent-1"), limit, span) == within(
                    low, high, [one for one in made.heartbeats[::-1] if one.agent_id == "agent-1"]
                )
                assert await all_of(partial(past.gaps, "asset-1"), limit, span) == within(
                    low, high, [one for one in made.gaps[::-1] if one.asset_id == "asset-1"]
                )
                assert await all_of(partial(past.service_levels, "asset-1"), limit, span) == within(
                    low, high, [one for one in made.levels[::-1] if one.asset_id == "asset-1"]
                )


def within(low: int | None, high: int | None, items: Sequence[T]) -> list[T]:
    return [
        one
        for one in items
        if (low is None or when(one) >= low) and (high is None or when(one) < high)
    ]


@pytest.mark.parametrize("store", STORES)
async def test_dispatches_by_state_and_asset(store: str, postgres: Database) -> None:
    rng = Random(store)
    made = make_records()
    async with opened(store, postgres, Records((), made.all()), rng) as past:
        for states, assets in product(
            (
                None,
                [State.STARTED],
                [State.COMPLETED],
                [State.FAILED],
                [State.STARTED, State.FAILED],
                [State.COMPLETED, State.STARTED],
            ),
            (None, ["asset-1"], ["asset-0", "asset-2"], []),
        ):
            ask = partial(past.dispatch_history, asset_ids=assets, states=states)
            assert await all_of(ask, 4) == [
                one
                for one in made.dispatches[::-1]
                if (states is None or one.state in states)
                and (assets is None or one.asset_id in assets)
            ]
        for n in (0, 13, 39):
            assert await past.dispatch(f"d-{n:02}") == made.dispatches[n]
        assert await past.dispatch("d-99") is None
        parts = sorted(made.dispatches, key=lambda one: (one.created_us, one.asset_id, one.id))
        assert await past.group("group") == (GROUP, parts)
        assert await past.group("other") is None


@pytest.mark.parametrize("store", STORES)
async def test_the_audit_trail_by_action_caller_target_and_site(
    store: str, postgres: Database
) -> None:
    made = make_records()
    async with opened(store, postgres, Records((), made.all()), Random(store)) as past:
        for actions, caller, target, sites in product(
            (None, [AuditAction.ORDER], list(AuditAction)),
            (None, "anna", "127.0.0.1", "nobody"),
            (None, "d-1"),
            (None, [], ["site-1"], ["site-1", "site-2"]),
        ):
            ask = partial(past.audit, actions=actions, caller=caller, target=target, site_ids=sites)
            expected = [
                one
                for one in made.entries[::-1]
                if (actions is None or one.action in actions)
                and (caller is None or (one.caller or one.peer) == caller)
                and (target is None or one.target == target)
                and (sites is None or one.site_id in sites)
            ]
            assert await all_of(ask, 7) == expected
            span = TimeRange(5 * S, 15 * S)
            assert await all_of(ask, 200, span) == within(5 * S, 15 * S, expected)


@pytest.mark.parametrize("store", ["journal", "postgres", "20"])
async def test_a_cursor_belongs_to_one_query(store: str, postgres: Database) -> None:
    kept = Records([sample(n) for n in range(1, 9)], ())
    async with opened(store, postgres, kept, Random(1)) as past:
        page = await past.telemetry_history("asset-1", PageRequest(1))
        with pytest.raises(BadCursor, match="another query"):
            await past.telemetry_history("asset-2", PageRequest(1, cursor=page.next_cursor))
        with pytest.raises(ValueError, match="limit is 0"):
            await past.telemetry_history("asset-1", PageRequest(0))


async def test_a_cursor_of_one_store_works_in_the_other(postgres: Database) -> None:
    samples = some_samples(Random(3))
    newest_first = [one for one in sorted(samples, key=order, reverse=True) if "1" in one.asset_id]
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        await fill(port, Records(samples))
        with journal_of(Records(samples)) as journal:
            stores: Sequence[Histories] = (journal, Archive(port))
            found: list[Sample] = []
            cursor: str | None = None
            turn = 0
            while turn == 0 or cursor is not None:
                page = await stores[turn % 2].telemetry_history(
                    "asset-1", PageRequest(3, cursor=cursor)
                )
                found.extend(page.items)
                cursor, turn = page.next_cursor, turn + 1
    assert found == newest_first


async def test_the_journals_version_of_a_row_counts(postgres: Database) -> None:
    """A new journal; a dispatch that PostgreSQL has as pending has ended since."""
    old = [dispatch(f"d-{n}", created_us=n * S, states=(State.PENDING,)) for n in range(20)]
    new = [
        dispatch(f"d-{n}", created_us=n * S, states=(State.PENDING, State.COMPLETED))
        for n in range(10, 20)
    ]
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        async with union_of(port, Records((), new), Records((), old), None, "0") as past:
            for state, expected in ((State.PENDING, old[9::-1]), (State.COMPLETED, new[::-1])):
                assert await all_of(partial(past.dispatch_history, states=[state]), 3) == expected
            assert await all_of(past.dispatch_history, 3) == new[::-1] + old[9::-1]


async def test_a_gap_that_closed_since_is_not_shown_as_open(postgres: Database) -> None:
    open_ones = [gap(f"g-{n}", start_us=n * S, end_us=None) for n in range(9)]
    closed = [gap(f"g-{n}", start_us=n * S, end_us=n * S, cause=HoleCause.NONE) for n in range(9)]
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        async with union_of(port, Records((), closed), Records((), open_ones), 5 * S) as past:
            assert await all_of(partial(past.gaps, "asset-1"), 2) == []
