"""A small fleet that loses its headend at once; the headend admits as many fewer a second."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.support.epoch import S
from tests.support.fleets import SITE, battery, read_fleet
from tests.support.virtual import virtual_world

AGENTS = 20
IDS = [f"5c1f0000-0000-4000-8000-{number:012}" for number in range(AGENTS)]
REGISTERS_S = 200 * AGENTS / 3000


@pytest.mark.parametrize("away_s", [3, 120])
async def test_all_agents_are_back_within_35_s_and_seen_within_45_s(
    tmp_path: Path, autojump_clock: MockClock, away_s: float
) -> None:
    assets = [battery(asset_id, f"battery-{n}") for n, asset_id in enumerate(IDS)]
    fleet = read_fleet(tmp_path, {"sites": [{"id": SITE, "name": "mesa"}], "assets": assets})
    async with virtual_world(tmp_path, fleet, registers_per_s=REGISTERS_S) as here:
        for seed, asset_id in enumerate(IDS):
            await here.start_agent(asset_id, seed=seed)
        sessions = here.headend.sessions
        await trio.sleep(AGENTS / REGISTERS_S + 65)
        assert len(sessions.live) == AGENTS
        here.refuse_agents()
        await trio.sleep(away_s)
        assert not sessions.live
        here.admit_agents()
        returned = trio.current_time()
        opened = sessions.statistics().opened
        await trio.sleep(35)
        assert len(sessions.live) == AGENTS
        # Nobody registered twice: no session ended before all were back.
        assert sessions.statistics().opened == opened + AGENTS
        await trio.sleep(returned + 45 - trio.current_time())
        newest = [here.headend.latest.get(asset_id) for asset_id in IDS]
        now_us = here.runtime.wall_us()
        ages = [now_us - sample.received_us for sample in newest if sample is not None]
        assert len(ages) == AGENTS
        assert max(ages) <= 10 * S
