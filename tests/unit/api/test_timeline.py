"""An agent's timeline: merged, paged, and each entry once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import trio
from hypothesis import given
from hypothesis import strategies as st

from derhead.api.routes.timeline_merge import entries_of
from derhead.dispatch import Dispatch
from derhead.gaps import GapRecord
from derhead.history import Histories, Page, PageRequest, TimeRange, decode_cursor, encode_cursor
from derhead.sessions import SessionRecord
from derhead.shapes import Query, TimelineEntry, of_dispatch, of_gap, of_session
from tests.support.api.fake_headend import BATTERY, DISPATCHED, GAP, NOW, SESSION, SOLAR, FakeView
from tests.unit.api.asking import ask

T = TypeVar("T")

SCOPE = ("x",)


def cut(records: Sequence[T], place: Callable[[T], tuple[int, str]], cursor: str | None) -> Page[T]:
    """A page like the journal's: newest first, two records long."""
    rows = sorted(((place(record), record) for record in records), key=lambda row: row[0])[::-1]
    if cursor is not None:
        before = decode_cursor(cursor, SCOPE, (int, str))
        rows = [row for row in rows if row[0] < before]
    more = encode_cursor(SCOPE, rows[1][0]) if len(rows) > 2 else None
    return Page(tuple(record for _, record in rows[:2]), more)


@dataclass
class History:
    """Holds records of an agent with two assets."""

    all_sessions: Sequence[SessionRecord] = ()
    all_dispatches: Sequence[Dispatch] = ()
    all_gaps: Sequence[GapRecord] = ()

    async def sessions(self, agent_id: str, page: PageRequest) -> Page[SessionRecord]:
        found = [s for s in self.all_sessions if s.connected_us < page.within.high_us]
        return cut(found, lambda s: (s.connected_us, s.session_id), page.cursor)

    async def dispatch_history(
        self, page: PageRequest, *, asset_ids: Sequence[str]
    ) -> Page[Dispatch]:
        found = [d for d in self.all_dispatches if d.asset_id in asset_ids]
        found = [d for d in found if _inside(d.created_us, page.within)]
        return cut(found, lambda d: (d.created_us, d.id), page.cursor)

    async def gaps(self, asset_id: str, page: PageRequest) -> Page[GapRecord]:
        # Also gaps that began before the range and reach into it.
        found = [g for g in self.all_gaps if g.asset_id == asset_id]
        found = [g for g in found if g.start_us < page.within.high_us]
        return cut(found, lambda g: (g.start_us, g.id), page.cursor)


def _inside(at_us: int, within: TimeRange) -> bool:
    return within.low_us <= at_us < within.high_us


def read(history: History, query: Query, at_most: int) -> list[TimelineEntry]:
    """Reads page after page to the end."""
    asked = cast("Histories", history)

    async def read_all() -> list[TimelineEntry]:
        found: list[TimelineEntry] = []
        before: tuple[int, int, str] | None = None
        while page := await entries_of(asked, "agent-1", None, query, before, at_most):
            found += page
            before = page[-1].place
        return found

    return trio.run(read_all)


@st.composite
def lives(draw: st.DrawFn) -> list[SessionRecord]:
    """Sessions of an agent one after the other; some took over before the last had ended."""
    at_us, sessions = 0, []
    for n in range(draw(st.integers(0, 6))):
        connected_us = at_us
        at_us += draw(st.integers(1, 4))
        overlap_us = draw(st.integers(0, 1))
        ended_us = None if draw(st.booleans()) and n == 5 else at_us + overlap_us
        sessions.append(
            replace(
                SESSION,
                session_id=f"s{n}",
                connected_us=connected_us,
                ended_us=ended_us,
                end_reason="superseded" if overlap_us else "silent",
            )
        )
        at_us += 1 + draw(st.integers(0, 2))
    return sessions


GAPS = st.builds(
    lambda n, start_us, asset: replace(GAP, id=f"g{n}", start_us=start_us, asset_id=asset),
    st.integers(0, 99),
    st.integers(0, 30),
    st.sampled_from([SOLAR, BATTERY]),
)
DISPATCHES = st.builds(
    lambda n, at_us, asset: replace(DISPATCHED, id=f"d{n}", created_us=at_us, asset_id=asset),
    st.integers(0, 99),
    st.integers(0, 30),
    st.sampled_from([SOLAR, BATTERY]),
)


@given(
    lives(),
    st.lists(DISPATCHES, max_size=6, unique_by=lambda d: d.id),
    st.lists(GAPS, max_size=6, unique_by=lambda g: g.id),
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 30),
    st.integers(1, 5),
)
def test_each_entry_appears_once_and_in_order(
    sessions: list[SessionRecord],
    dispatches: list[Dispatch],
    gaps: list[GapRecord],
    from_us: int | None,
    to_us: int | None,
    at_most: int,
) -> None:
    expected = [entry for session in sessions for entry in of_session(session)]
    if sessions:
        expected += [entry for dispatch in dispatches for entry in of_dispatch(dispatch)]
        expected += [entry for gap in gaps for entry in of_gap(gap)]
    # A session that began after the range has no entry in it.
    expected = [entry for entry in expected if _inside(entry.at_us, TimeRange(from_us, to_us))]
    expected.sort(key=lambda entry: entry.place, reverse=True)
    found = read(History(sessions, dispatches, gaps), Query(TimeRange(from_us, to_us)), at_most)
    assert [entry.place for entry in found] == [entry.place for entry in expected]


def test_entries_say_what_happened() -> None:
    ended, began = of_session(SESSION)
    assert ended.summary == "disconnected after 59 s: silent"
    assert began.summary == (
        "connected from 127.0.0.1:40000, version 0.1.0, its clock 0.0025 s ahead"
    )
    (over,) = of_session(replace(SESSION, end_reason="superseded"))[:1]
    assert over.kind == "superseded"
    (gap,) = of_gap(replace(GAP, start_us=NOW, end_us=NOW + 12_500_000, backfilled=True))
    assert gap.summary == f"no samples for 12.5 s: {GAP.cause.value}, filled later"
    assert of_gap(replace(GAP, end_us=None))[0].summary.startswith("no samples since: ")
    (order,) = of_dispatch(DISPATCHED)
    assert order.summary == "ordered to hold -0.5 MW: started"


async def test_over_rest() -> None:
    answer = await ask(FakeView(), "/agents/agent-1/timeline?limit=4")
    kinds = [item["kind"] for item in answer.items]
    assert len(kinds) == 4
    assert {"gap", "dispatch"} & set(map(str, kinds))
    for item in answer.items:
        about = [name for name in ("session", "gap", "dispatch") if item[name] is not None]
        assert len(about) == 1


async def test_an_unknown_agent_has_no_timeline() -> None:
    assert (await ask(FakeView(), "/agents/nobody/timeline")).status == 404
    wrong = await ask(FakeView(), "/agents/agent-1/timeline?cursor=x&from=y")
    assert wrong.status == 422
