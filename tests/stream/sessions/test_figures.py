"""What /metrics says of a whole headend with agents, under virtual time."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import AssetOrder
from tests.support.epoch import S
from tests.support.fleets import BATTERIES, read_fleet, site_of_batteries
from tests.support.virtual import VirtualWorld, virtual_world

ONE, TWO, THREE = BATTERIES[:3]


def figures(here: VirtualWorld) -> dict[str, float]:
    text = here.headend.metrics.render()[0].decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
    return {name: float(value) for name, _, value in lines}


async def test_assets_agents_and_dispatches_are_summed_up(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with virtual_world(tmp_path, read_fleet(tmp_path, site_of_batteries(3, 20))) as here:
        agent = await here.start_agent(ONE)
        await here.start_agent(TWO, seed=2, clock_ahead_us=20 * S)
        await here.headend.order(AssetOrder(ONE, 1.0, 60 * S))
        await here.headend.order(AssetOrder(THREE, 1.0, 3600 * S))
        await trio.sleep(30)
        shown = figures(here)
        assert shown['derhead_assets{state="online"}'] == 2
        assert shown['derhead_assets{state="offline"}'] == 1
        assert shown["derhead_agents_clock_offset_worst_seconds"] == pytest.approx(20, abs=0.5)
        assert shown['derhead_dispatches_open{state="started"}'] == 1
        assert shown['derhead_dispatches_open{state="pending"}'] == 1
        assert shown['derhead_dispatch_latency_seconds_count{to="started"}'] == 1
        assert shown['derhead_dispatch_latency_seconds_bucket{le="1.0",to="sent"}'] == 1
        assert shown['derhead_bound_used{bound="sessions"}'] == 2
        assert shown['derhead_bound_limit{bound="sessions"}'] == 5000
        assert shown['derhead_bound_used{bound="session_queue"}'] == 0
        assert shown['derhead_bound_limit{bound="log_bytes"}'] == 4 * 2**20
        assert shown["derhead_journal_commit_seconds_count"] > 0
        await trio.sleep(40)
        shown = figures(here)
        assert shown['derhead_dispatches_ended_total{reason="NONE",state="completed"}'] == 1
        assert shown["derhead_dispatches_late"] == 1
        # Each round looks at two samples, none of them older than a few periods.
        assert shown["derhead_newest_sample_age_seconds_count"] >= 10
        assert (
            shown['derhead_newest_sample_age_seconds_bucket{le="10.0"}']
            == (shown["derhead_newest_sample_age_seconds_count"])
        )
        agent.kill()
        await trio.sleep(30)
        assert figures(here)['derhead_assets{state="offline"}'] == 2


async def test_rows_that_an_agent_keeps_are_shown(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with virtual_world(tmp_path, read_fleet(tmp_path, site_of_batteries(3, 20))) as here:
        await here.start_agent(ONE)
        await trio.sleep(5)
        here.refuse_agents()
        await trio.sleep(600)
        here.admit_agents()
        await trio.sleep(31)
        shown = figures(here)
        assert shown["derhead_agents_outbox_worst_rows"] == shown["derhead_agents_outbox_rows"]
        assert shown['derhead_sessions_ended_total{reason="connection lost"}'] == 1
        assert shown["derhead_sessions_opened_total"] == 2
