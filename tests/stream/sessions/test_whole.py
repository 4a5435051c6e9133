"""A whole headend and a whole agent under virtual time, asked through what REST asks."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import AssetOrder, DoesNotFit, SiteOrder, State, VerdictOutcome, group_state
from derproto.triogrpc.testing import Path as LinkPath
from tests.support.epoch import HOUR_US, S
from tests.support.fleets import BATTERIES, SITE, read_fleet, site_of_batteries
from tests.support.virtual import HEADEND, virtual_world

IDS = BATTERIES[:3]


@pytest.mark.parametrize("ahead_us", [-7 * HOUR_US, 2 * S, 7 * HOUR_US])
async def test_a_clock_that_is_off_moves_no_window_and_spoils_no_verdict(
    tmp_path: Path, autojump_clock: MockClock, ahead_us: int
) -> None:
    async with virtual_world(tmp_path, read_fleet(tmp_path, site_of_batteries(3, 20))) as here:
        await here.start_agent(IDS[0], clock_ahead_us=ahead_us)
        await trio.sleep(10)
        (agent,) = here.headend.agents()
        assert agent.clock_offset_us == pytest.approx(ahead_us, abs=S)
        dispatch = await here.headend.order(AssetOrder(IDS[0], 1.0, 60 * S))
        await trio.sleep(59)
        running = await here.headend.history.dispatch(dispatch.id)
        assert running is not None
        assert running.state is State.STARTED
        so_far = await here.headend.verdict_so_far(running)
        assert so_far is not None
        assert (so_far.outcome, so_far.final) == (VerdictOutcome.ACHIEVED, False)
        await trio.sleep(31)
        ended = await here.headend.history.dispatch(dispatch.id)
        assert ended is not None
        assert ended.state is State.COMPLETED
        assert ended.states[-1].at_us - ended.start_us == pytest.approx(60 * S, abs=S / 2)
        assert ended.verdict is not None
        assert '"outcome":"achieved"' in ended.verdict
        assert '"covered":1.0' in ended.verdict


async def test_a_site_holds_its_power_through_the_end_of_an_agent(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with virtual_world(tmp_path, read_fleet(tmp_path, site_of_batteries(3, 20))) as here:
        agents = [await here.start_agent(asset_id) for asset_id in IDS]
        await trio.sleep(10)
        found = await here.headend.order_site(SiteOrder(SITE, -3.0, 600 * S))
        assert not isinstance(found, DoesNotFit)
        await trio.sleep(1)
        agents[0].kill()
        await trio.sleep(19)
        stored = await here.headend.history.group(found[0].id)
        assert stored is not None
        assert len(stored[1]) == 3, "its agent may come back"
        await trio.sleep(10)
        stored = await here.headend.history.group(found[0].id)
        assert stored is not None
        state = group_state(*stored)
        assert (state.shortfall_mw, state.started) == (0.0, 3)
        now = [here.headend.latest.get(asset_id) for asset_id in IDS[1:]]
        assert [sample and sample.p_mw for sample in now] == [-1.5, -1.5]
        # Back again, it lets its part go.
        await here.start_agent(IDS[0])
        await trio.sleep(60)
        stored = await here.headend.history.group(found[0].id)
        assert stored is not None
        assert [part.state for part in stored[1] if part.asset_id == IDS[0]] != [State.STARTED]
        assert len(stored[1]) == 5
        assert group_state(*stored).shortfall_mw == 0.0


async def test_over_a_slow_link_backfill_holds_up_no_live_sample(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    fleet = read_fleet(tmp_path, site_of_batteries(3, 20))
    async with virtual_world(tmp_path, fleet) as here:
        others = [fleet.assets[asset_id] for asset_id in IDS[1:]]
        agent = await here.start_agent(IDS[0], *others)
        here.network.take_path(HEADEND, LinkPath(bytes_per_s=400.0))
        await trio.sleep(60)
        here.refuse_agents()
        await trio.sleep(1800)
        here.admit_agents()
        await trio.sleep(60)
        assert len(agent.board.outbox) > 800
        sessions = agent.board.counts.sessions
        for _ in range(100):
            await trio.sleep(10)
            for asset_id in IDS:
                shown = here.headend.latest.get(asset_id)
                assert shown is not None
                assert here.runtime.wall_us() - shown.ts_us < 10 * S
        assert agent.board.counts.sessions == sessions
        assert len(agent.board.outbox) < 50
