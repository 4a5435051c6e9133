"""Refused streams and ended sessions are counted by reason."""

import trio
from trio.testing import MockClock

from derhead.sessions.terms import ends
from derhead.sessions.terms.ends import END_REASONS, End
from tests.stream.sessions.bench import A1, A2, Bench, receive, status_of


async def test_each_refusal_counts_with_its_reason(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.stream() as silent, bench.agent("not an id") as invalid:
        await status_of(silent)
        await status_of(invalid)
    async with bench.stream():
        await trio.sleep(1)
    await trio.sleep(1)
    bench.sessions.drain()
    async with bench.agent("late") as stream:
        await receive(stream, "goodbye")
        await status_of(stream)
    refused = {why: n for why, n in bench.sessions.statistics().refused.items() if n}
    assert refused == {
        "no_register": 1,
        "invalid_register": 1,
        "connection_lost": 1,
        "draining": 1,
    }


async def test_each_end_counts_with_its_reason(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.welcomed("x", A1) as leaves, bench.welcomed("y", A2) as older:
        await leaves.end()
        await status_of(leaves)
        async with bench.welcomed("y", A2):
            await status_of(older)
    await trio.sleep(1)
    statistics = bench.sessions.statistics()
    assert statistics.opened == sum(statistics.ended.values()) == 3
    assert statistics.ended["closed by agent"] == 1
    assert statistics.ended["superseded"] == 1
    assert statistics.ended["connection lost"] == 1


def test_every_reason_is_shown_from_the_start() -> None:
    found = {each.reason for each in vars(ends).values() if isinstance(each, End)}
    made = {ends.protocol_error("").reason, ends.silent(1).reason, ends.no_asset(1).reason}
    assert found | made == set(END_REASONS)
