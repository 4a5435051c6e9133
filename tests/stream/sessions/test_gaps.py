"""Gaps of a whole headend's assets, with real agents under virtual time, as REST reads them."""

from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path

import trio
from trio.testing import MockClock

from deragent.outbox import OutboxLimits
from derhead.gaps import GapRecord, HoleCause
from derhead.history import PageRequest, TimeRange
from derproto.base.runtime import Runtime
from derproto.der.v1 import QualityBit
from tests.support.epoch import S
from tests.support.fleets import BATTERIES, read_fleet, site_of_batteries
from tests.support.virtual import VirtualWorld, virtual_world

ASSET = BATTERIES[0]


def world(
    folder: Path, runtime: Runtime | None = None
) -> AbstractAsyncContextManager[VirtualWorld]:
    """A headend of one battery; with the ``runtime`` of an earlier one, as its next life."""
    return virtual_world(folder, read_fleet(folder, site_of_batteries(1, 20)), runtime=runtime)


async def gaps(here: VirtualWorld) -> list[GapRecord]:
    """Oldest first, once what is noted now is on disk."""
    await trio.sleep(0.5)
    return list(reversed((await here.headend.history.gaps(ASSET, PageRequest(100))).items))


async def causes(here: VirtualWorld) -> list[tuple[str, bool]]:
    return [(gap.cause.value, gap.backfilled) for gap in await gaps(here)]


async def stored(here: VirtualWorld) -> list[int]:
    """When what is stored was measured, oldest first."""
    page = await here.headend.history.telemetry_history(ASSET, PageRequest(1000))
    return sorted(sample.ts_us for sample in page.items)


async def test_a_cut_link_is_a_gap_at_once_and_is_filled_when_it_is_back(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with world(tmp_path) as here:
        await here.start_agent(ASSET)
        await trio.sleep(30)
        assert await gaps(here) == []
        here.refuse_agents()
        newest_us = (await stored(here))[-1]
        await trio.sleep(12)
        (lasting,) = await gaps(here)
        assert (lasting.start_us, lasting.end_us) == (newest_us, None)
        assert (lasting.cause, lasting.backfilled) == (HoleCause.LINK, False)
        assert lasting.agent_id == ASSET
        await trio.sleep(60)
        here.admit_agents()
        await trio.sleep(60)
        (over,) = await gaps(here)
        assert (over.id, over.cause, over.backfilled) == (lasting.id, HoleCause.LINK, True)
        assert over.filled_us == over.end_us
        assert max(high - low for low, high in pairwise(await stored(here))) < 5 * S
        page = await here.headend.history.telemetry_history(
            ASSET, PageRequest(100, TimeRange(over.start_us + 1, over.end_us))
        )
        assert page.items
        assert all(sample.quality & QualityBit.BACKFILLED for sample in page.items)


async def test_rows_dropped_by_an_outbox_are_an_overflow_and_the_rest_is_filled(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with world(tmp_path) as here:
        await here.start_agent(ASSET, outbox=OutboxLimits(memory_rows=10))
        await trio.sleep(30)
        here.refuse_agents()
        await trio.sleep(120)
        here.admit_agents()
        await trio.sleep(60)
        assert await causes(here) == [("overflow", False), ("link", True)]
        overflow, link = await gaps(here)
        times = await stored(here)
        assert not [ts for ts in times if overflow.start_us <= ts <= (overflow.end_us or 0)]
        assert overflow.rows == round(((overflow.end_us or 0) - overflow.start_us) / (4 * S)) + 1
        assert link.start_us - (overflow.end_us or 0) < 5 * S


async def test_an_agent_without_a_file_is_missed_while_it_is_away(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with world(tmp_path) as here:
        agent = await here.start_agent(ASSET)
        await trio.sleep(30)
        agent.kill()
        await trio.sleep(30)
        await here.start_agent(ASSET, seed=2)
        await trio.sleep(30)
        assert await causes(here) == [("agent_restart", False)]


async def test_an_agent_with_a_file_is_missed_for_as_long_as_it_did_not_run(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with world(tmp_path) as here:
        agent = await here.start_agent(ASSET, data=tmp_path / "agent")
        await trio.sleep(30)
        here.refuse_agents()
        await trio.sleep(60)
        agent.kill()
        died_us = here.runtime.wall_us()
        await trio.sleep(30)
        await here.start_agent(ASSET, seed=2, data=tmp_path / "agent")
        born_us = here.runtime.wall_us()
        await trio.sleep(30)
        here.admit_agents()
        await trio.sleep(90)
        assert await causes(here) == [("link", True), ("agent_restart", False), ("link", True)]
        _, missing, _ = await gaps(here)
        assert abs(missing.start_us - died_us) < 5 * S
        assert missing.end_us is not None
        assert abs(missing.end_us - born_us) < 5 * S


async def test_a_gap_is_filled_further_after_a_restart_of_the_headend(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with world(tmp_path) as here:
        await here.start_agent(ASSET, data=tmp_path / "agent")
        await trio.sleep(30)
        here.refuse_agents()
        await trio.sleep(60)
    async with world(tmp_path, here.runtime) as here:
        (lasting,) = await gaps(here)
        assert (lasting.end_us, lasting.cause) == (None, HoleCause.LINK)
        await here.start_agent(ASSET, seed=2, data=tmp_path / "agent")
        await trio.sleep(60)
        assert (await causes(here))[0] == ("link", True)
        missing = [gap for gap in await gaps(here) if not gap.backfilled]
        for low_us, high_us in pairwise(await stored(here)):
            known = [gap for gap in missing if (gap.start_us, gap.end_us) == (low_us, high_us)]
            assert high_us - low_us < 6 * S or known


async def test_a_link_that_was_cut_before_the_headend_ended_is_the_cause(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with world(tmp_path) as here:
        await here.start_agent(ASSET, data=tmp_path / "agent")
        await trio.sleep(30)
        here.refuse_agents()
        # Too short for the asset to be missed already.
        await trio.sleep(5)
        assert await gaps(here) == []
    async with world(tmp_path, here.runtime) as here:
        await trio.sleep(12)
        (lasting,) = await gaps(here)
        assert (lasting.end_us, lasting.cause) == (None, HoleCause.LINK)
