"""Both engines, and both stores as one, make the same buckets of the same samples."""

import math
from collections.abc import Sequence
from random import Random

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derhead.history.postgres import archive as archives
from derhead.history.postgres.archive import Archive
from derhead.history.queries import statements
from derhead.history.sql.histories import Histories
from derhead.history.sql.page_request import PageRequest, TimeRange
from derhead.history.union.combined import History
from derhead.telemetry import Bucket, Sample
from tests.contract.history.stores import Records, fill, journal_of
from tests.support.history.postgres_port import connect_feed, open_port
from tests.support.processes.postgres import Database

# Values that devices measure, values that cancel out, values that no device can measure.
powers = (
    st.none()
    | st.floats(-1e4, 1e4)
    | st.sampled_from([0.1, -0.1, 1000.1, -1000.1, 1e-9, -1e-9, 1e12, -1e300, math.inf, -math.inf])
)
rows = st.tuples(
    st.integers(-60, 120),
    st.sampled_from(["agent-1", "agent-2"]),
    st.sampled_from([9, 10]),
    powers,
)


def to_samples(drawn: Sequence[tuple[int, str, int, float | None]]) -> list[Sample]:
    return [
        Sample("a", agent, boot, seq, ts_us, 0, p_mw)
        for seq, (ts_us, agent, boot, p_mw) in enumerate(drawn, 1)
    ] + [Sample("b", "agent-1", 9, seq, ts_us, 0, 5.0) for seq, (ts_us, *_) in enumerate(drawn, 1)]


async def all_buckets(
    past: Histories, step_us: int, from_us: int | None, to_us: int | None, limit: int
) -> list[Bucket]:
    found: list[Bucket] = []
    cursor: str | None = None
    while True:
        page = await past.telemetry_buckets(
            "a", PageRequest(limit, TimeRange(from_us, to_us), cursor), step_us=step_us
        )
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page.items) == limit


def assert_equal(found: Sequence[Bucket], expected: Sequence[Bucket]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.start_us, ours.count) == (theirs.start_us, theirs.count)
        assert (ours.min_mw, ours.max_mw) == (theirs.min_mw, theirs.max_mw)
        assert ours.last_mw == theirs.last_mw
        if ours.mean_mw is None or theirs.mean_mw is None:
            assert ours.mean_mw is theirs.mean_mw
        else:
            assert ours.mean_mw == pytest.approx(theirs.mean_mw, rel=1e-9, abs=1e-12)


async def test_both_engines_make_the_same_buckets(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)

        async def compare(
            samples: list[Sample],
            horizon_us: int,
            piece_rows: int,
            span: tuple[int, int | None, int | None, int],
        ) -> None:
            monkeypatch.setattr(statements, "PIECE_ROWS", piece_rows)
            monkeypatch.setattr(archives, "PIECE_ROWS", piece_rows + 1)
            await fill(port, Records(samples))
            with journal_of(Records(samples)) as journal:
                expected = await all_buckets(journal, *span)
            assert_equal(await all_buckets(Archive(port), *span), expected)
            # The journal let some of the older samples go; PostgreSQL may have all of them.
            rng = Random(horizon_us)
            kept = [s for s in samples if s.ts_us >= horizon_us or rng.random() < 0.5]
            with journal_of(Records(kept), horizon_us) as journal:
                assert_equal(await all_buckets(History(journal, Archive(port)), *span), expected)

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            drawn=st.lists(rows, max_size=50),
            horizon_us=st.integers(-70, 130),
            piece_rows=st.integers(1, 20),
            step_us=st.integers(1, 50),
            from_us=st.none() | st.integers(-70, 130),
            to_us=st.none() | st.integers(-70, 130),
            limit=st.integers(1, 9),
        )
        def hold(
            drawn: list[tuple[int, str, int, float | None]],
            horizon_us: int,
            piece_rows: int,
            step_us: int,
            from_us: int | None,
            to_us: int | None,
            limit: int,
        ) -> None:
            span = (step_us, from_us, to_us, limit)
            trio.from_thread.run(compare, to_samples(drawn), horizon_us, piece_rows, span)

        # Hypothesis is synchronous, so the stores are asked from here.
        await trio.to_thread.run_sync(hold)


@pytest.mark.parametrize("known", ["0", None])
async def test_a_new_journal_asks_postgresql_about_all_times(
    known: str | None, postgres: Database
) -> None:
    samples = [Sample("a", "x", 1, n, n, 0, float(n)) for n in range(1, 9)]
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        await fill(port, Records(samples))
        with journal_of(Records(samples[6:]), whole=known) as journal:
            past = History(journal, Archive(port))
            buckets = await all_buckets(past, 3, None, None, 9)
            page = await past.telemetry_history("a", PageRequest(9))
    if known is None:
        assert [bucket.count for bucket in buckets] == [2]
        assert list(page.items) == samples[:5:-1]
    else:
        assert [bucket.count for bucket in buckets] == [3, 3, 2]
        assert list(page.items) == samples[::-1]
