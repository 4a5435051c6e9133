"""A headend takes over a changed assets.yaml while it runs: a whole one under virtual time."""

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from deragent.event_lines import EventLine
from derhead.audit import AuditAction
from derhead.dispatch import AssetOrder, DoesNotFit, SiteOrder, State, parse_order
from derhead.history import PageRequest
from derproto.configuration.problems import ConfigError
from tests.support.epoch import S
from tests.support.fleets import (
    ADDED,
    BATTERY,
    LOAD,
    SITE,
    SOLAR,
    battery,
    fleet,
    read_fleet,
    write_fleet,
)
from tests.support.virtual import VirtualWorld, virtual_world


def with_added() -> dict[str, Any]:
    written = fleet()
    written["assets"].append(battery(ADDED, "added"))
    return written


async def rewrite(here: VirtualWorld, folder: Path, written: dict[str, Any]) -> None:
    write_fleet(folder, written)
    await here.fleet_keeper.reload()


async def test_an_added_asset_is_granted_to_the_agent_that_claimed_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    added = read_fleet(tmp_path / "later", with_added()).assets[ADDED]
    async with virtual_world(tmp_path, read_fleet(tmp_path, fleet())) as here:
        events: list[EventLine] = []
        await here.start_agent(BATTERY, added, on_event=events.append)
        await here.start_agent(SOLAR)
        await trio.sleep(90)
        assert here.headend.holder(ADDED) is None
        dispatch = await here.headend.order(AssetOrder(BATTERY, 1.0, 600 * S))
        sessions = {each.id: each.session_id for each in here.headend.agents()}
        await trio.sleep(1)
        await rewrite(here, tmp_path, with_added())
        await trio.sleep(10)
        assert here.headend.holder(ADDED) == BATTERY
        assert here.headend.latest.get(ADDED) is not None
        after = {each.id: each.session_id for each in here.headend.agents()}
        assert after[BATTERY] != sessions[BATTERY]
        assert after[SOLAR] == sessions[SOLAR], "nothing changed for this agent"
        told = [event.detail.get("reason") for event in events if event.kind == "disconnected"]
        assert [str(reason).partition(" ")[2][:13] for reason in told] == ["fleet_changed"]
        going_on = await here.headend.history.dispatch(dispatch.id)
        assert going_on is not None
        assert going_on.state is State.STARTED
        new = await here.headend.order(AssetOrder(ADDED, 1.0, 60 * S))
        await trio.sleep(1)
        started = await here.headend.history.dispatch(new.id)
        assert started is not None
        assert started.state is State.STARTED


async def test_changed_limits_hold_from_the_next_order(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with virtual_world(tmp_path, read_fleet(tmp_path, fleet())) as here:
        await here.start_agent(BATTERY)
        await trio.sleep(5)
        (before,) = here.headend.agents()
        body = {"asset_id": BATTERY, "mw": 1.5, "duration_s": 60}
        order = parse_order(body, here.headend.fleet, 0)
        assert isinstance(order, AssetOrder)
        dispatch = await here.headend.order(order)
        narrow = fleet()
        narrow["assets"][0]["limits"] = {"max_mw": 1.0}
        await rewrite(here, tmp_path, narrow)
        refused = parse_order(body, here.headend.fleet, 0)
        assert "write a number from -2 to 1" in str(refused)
        await trio.sleep(5)
        (after,) = here.headend.agents()
        assert after.session_id == before.session_id
        running = await here.headend.history.dispatch(dispatch.id)
        assert running is not None
        assert running.state is State.STARTED


async def test_the_orders_of_a_removed_asset_are_cancelled_at_both_ends(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    whole = read_fleet(tmp_path, fleet())
    async with virtual_world(tmp_path, whole) as here:
        events: list[EventLine] = []
        await here.start_agent(BATTERY, whole.assets[SOLAR], on_event=events.append)
        away = await here.start_agent(LOAD)
        await trio.sleep(90)
        now = await here.headend.order(AssetOrder(BATTERY, 1.0, 600 * S))
        later = await here.headend.order(
            AssetOrder(BATTERY, 1.5, 600 * S, start_us=here.runtime.wall_us() + 900 * S)
        )
        other = await here.headend.order(AssetOrder(SOLAR, 1.0, 600 * S))
        await trio.sleep(10)
        await away.stop()
        without = fleet()
        without["assets"] = [each for each in without["assets"] if each["id"] == SOLAR]
        await rewrite(here, tmp_path, without)
        assert list(here.headend.fleet.assets) == [SOLAR]
        await trio.sleep(10)
        for gone in (now, later):
            ended = await here.headend.history.dispatch(gone.id)
            assert ended is not None
            assert ended.state is State.CANCELLED
            assert ended.detail == "its asset was removed from assets.yaml"
        going_on = await here.headend.history.dispatch(other.id)
        assert going_on is not None
        assert going_on.state is State.STARTED
        last = {
            event.detail["dispatch_id"]: event.detail for event in events if "mw" in event.detail
        }
        assert (last[now.id]["state"], last[other.id]["state"]) == ("cancelled", "started")
        assert last[later.id]["reason"] == "its asset was removed from assets.yaml"
        assert (here.headend.holder(BATTERY), here.headend.holder(SOLAR)) == (None, BATTERY)
        late = await here.headend.order(AssetOrder(BATTERY, 1.0, 600 * S))
        assert late.state is State.CANCELLED
        assert sum(here.headend.gaps.statistics().lasting.values()) == 0
        # Back again, with all that is known of it.
        await rewrite(here, tmp_path, fleet())
        await trio.sleep(10)
        assert here.headend.holder(BATTERY) == BATTERY
        assert (await here.headend.order(AssetOrder(BATTERY, 1.0, 60 * S))).state is State.SENT


async def test_orders_of_assets_removed_while_the_headend_was_down_are_cancelled(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with virtual_world(tmp_path, read_fleet(tmp_path, fleet())) as here:
        await here.start_agent(BATTERY)
        await trio.sleep(5)
        ordered = await here.headend.order_site(SiteOrder(SITE, 0.5))
        assert not isinstance(ordered, DoesNotFit)
        group, (part,) = ordered
        waiting = await here.headend.order(AssetOrder(SOLAR, 1.0, 600 * S))
        kept = await here.headend.order(AssetOrder(LOAD, -0.5, 600 * S))
        await trio.sleep(5)
        runtime = here.runtime
    less = fleet()
    less["sites"] = [{"id": ADDED, "name": "another"}]
    less["assets"] = [{**each, "site": ADDED} for each in less["assets"] if each["id"] == LOAD]
    async with virtual_world(tmp_path, read_fleet(tmp_path, less), runtime=runtime) as here:
        await trio.sleep(5)
        headend = here.headend
        assert [each.id for each in headend.desk.open_dispatches()] == [kept.id]
        for id in (part.id, waiting.id):
            ended = await headend.history.dispatch(id)
            assert ended is not None
            assert ended.detail == "its asset was removed from assets.yaml"
        found = await headend.history.group(group.id)
        assert found is not None
        assert [each.state for each in found[1]] == [State.CANCELLED], "nothing takes over"
        asked = PageRequest(limit=100)
        trail = await headend.history.audit(asked, actions=[AuditAction.CANCELLATION])
        assert {entry.target for entry in trail.items} == {part.id, waiting.id}


async def test_a_file_with_a_fault_changes_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with virtual_world(tmp_path, read_fleet(tmp_path, fleet())) as here:
        broken = with_added()
        broken["assets"][0]["rated_mw"] = -1
        with pytest.raises(ConfigError, match="rated_mw"):
            await rewrite(here, tmp_path, broken)
        assert list(here.headend.fleet.assets) == list(read_fleet(tmp_path, fleet()).assets)
