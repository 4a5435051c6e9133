"""Preflights of orders to assets."""

from dataclasses import replace

import pytest

from derhead.dispatch.life.dispatches import Dispatch, created
from derhead.dispatch.life.transitions import State
from derhead.dispatch.orders.order import AssetOrder
from derhead.dispatch.orders.preflight import Afterwards, Follows, Preflight, preflight
from derproto.base.windows import Window
from derproto.configuration.fleet import Asset, AssetKind
from tests.support.assets import make_asset
from tests.support.epoch import HOUR_US, T0, S

BATTERY = make_asset(name="battery-1", low_mw=-1.0, high_mw=1.0, energy_mwh=2.0)
SOLAR = make_asset("a", AssetKind.SOLAR, 0.0, 1.0, name="roof", default_mw=None)


def held(
    name: str,
    start_us: int,
    duration_us: int | None = HOUR_US,
    priority: int = 128,
    mw: float = 0.5,
) -> Dispatch:
    return created(
        Dispatch(name, "a", mw, T0 - 9, start_us, duration_us, priority, state=State.PENDING)
    )


def ask(
    order: AssetOrder, *dispatches: Dispatch, asset: Asset = BATTERY, soc: float | None = 0.5
) -> Preflight:
    return preflight(order, asset, dispatches, online=True, p_mw=0.0, soc=soc, now_us=T0)


ORDER = AssetOrder("a", -0.5, HOUR_US)


def test_the_usual_order() -> None:
    found = ask(ORDER)
    assert found.window == Window(T0, T0 + HOUR_US)
    assert found.within_limits
    assert (found.energy_mwh, found.available_mwh, found.enough_energy) == (-0.5, 1.0, True)
    assert (found.supersedes, found.gives_way_to) == ((), None)
    assert found.follows == Follows(Afterwards.DEFAULT, 0.0)
    assert found.sentence == (
        "battery-1 is online and would hold -0.5 MW from now for 1 h, 0.5 MWh of the 1 MWh "
        "that it can take; then it returns to its default, 0 MW."
    )


@pytest.mark.parametrize(
    ("mw", "soc", "available_mwh", "enough"),
    [
        (0.5, 0.25, 0.5, True),
        (0.5, 0.2, 0.4, False),
        (-0.5, 0.75, 0.5, True),
        (-0.5, 1.0, 0.0, False),
        (0.5, None, None, None),
        (0.5, 1.2, 2.0, True),
    ],
)
def test_energy_is_compared_with_the_battery(
    mw: float, soc: float | None, available_mwh: float | None, enough: bool | None
) -> None:
    found = ask(replace(ORDER, mw=mw), soc=soc)
    assert found.available_mwh == pytest.approx(available_mwh)
    assert found.enough_energy is enough
    assert ("more than" in found.sentence) is (enough is False)


def test_only_a_battery_has_energy_to_compare() -> None:
    found = ask(replace(ORDER, mw=0.5), asset=SOLAR, soc=None)
    assert (found.energy_mwh, found.available_mwh, found.enough_energy) == (0.5, None, None)
    assert found.sentence.endswith("then it returns to its own control.")


def test_a_window_without_an_end_has_no_energy() -> None:
    found = ask(AssetOrder("a", 0.5), held("later", T0 + 9 * HOUR_US))
    assert (found.window.end_us, found.energy_mwh, found.enough_energy) == (None, None, None)
    assert found.supersedes == ("later",)
    assert found.follows == Follows(Afterwards.HOLD)
    assert "without an end, superseding 1 dispatch; the order ends when" in found.sentence


def test_only_overlapping_dispatches_are_superseded() -> None:
    found = ask(
        replace(ORDER, start_us=T0 + HOUR_US),
        held("before", T0),
        held("into", T0 + 1),
        held("same", T0 + HOUR_US),
        held("endless", T0 - HOUR_US, None),
        held("after", T0 + 2 * HOUR_US, mw=0.25),
    )
    assert found.supersedes == ("into", "same", "endless")
    assert found.follows == Follows(Afterwards.DISPATCH, 0.25, "after")
    assert "for 1 h, beginning in 1 h" in found.sentence
    assert "superseding 3 dispatches; then dispatch after follows, at 0.25 MW." in found.sentence


def test_the_lower_number_wins() -> None:
    found = ask(ORDER, held("mine", T0, priority=129), held("theirs", T0, priority=127))
    assert (found.supersedes, found.gives_way_to) == ((), "theirs")
    assert "would not follow this order: dispatch theirs" in found.sentence
    assert ask(ORDER, held("equal", T0)).supersedes == ("equal",)


def test_a_dispatch_being_withdrawn_does_not_count() -> None:
    gone = replace(held("gone", T0, priority=0), cancelling="by hand")
    next_one = replace(held("next", T0 + HOUR_US), cancelling="by hand")
    found = ask(ORDER, gone, next_one)
    assert (found.supersedes, found.gives_way_to) == ((), None)
    assert found.follows.then is Afterwards.DEFAULT


def test_an_order_beyond_the_limits_is_named() -> None:
    found = ask(replace(ORDER, mw=9.0))
    assert not found.within_limits
    assert "would not get this order: 9 MW is beyond its limits, -1 to 1 MW." in found.sentence


def test_an_offline_asset_is_named() -> None:
    found = preflight(ORDER, BATTERY, (), online=False, p_mw=None, soc=None, now_us=T0)
    assert not found.online
    assert found.sentence.startswith("battery-1 is offline, and once its agent is back would hold")


def test_a_start_in_the_past_leaves_the_end() -> None:
    found = ask(replace(ORDER, start_us=T0 - 2 * S, duration_us=90 * S))
    assert found.window == Window(T0, T0 + 88 * S)
    assert "from now for 1.47 min" in found.sentence


@pytest.mark.parametrize(
    ("seconds", "says"), [(5, "5 s"), (90, "1.5 min"), (9000, "2.5 h"), (172_800, "2 d")]
)
def test_times_are_written_in_the_largest_unit(seconds: int, says: str) -> None:
    assert f"for {says}" in ask(replace(ORDER, mw=0.001, duration_us=seconds * S)).sentence
