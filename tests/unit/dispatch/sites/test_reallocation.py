"""What other assets take over when one drops out."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.transitions import State
from derhead.dispatch.orders.order import AssetOrder, DispatchGroup
from derhead.dispatch.sites.allocation import Candidate
from derhead.dispatch.sites.reallocation import (
    AWAY,
    Reallocation,
    grace_us,
    lost_assets,
    reallocate,
)
from tests.support.epoch import T0, S
from tests.unit.dispatch.sites.site import ASSETS, GROUP, NAMES, RUNNING, battery, candidate, part

ALL = [candidate(name) for name in NAMES]
NOW_US = T0 + 100 * S


def again(
    parts: Sequence[Dispatch],
    candidates: Sequence[Candidate] = ALL,
    *,
    group: DispatchGroup = GROUP,
    lost: str = "d",
    busy: str = "",
    now_us: int = NOW_US,
) -> Reallocation | None:
    return reallocate(group, parts, candidates, lost=set(lost), busy=set(busy), now_us=now_us)


def ordered(found: Reallocation | None) -> dict[str, float]:
    assert found is not None
    return {order.asset_id: order.mw for order in found.orders}


def running(*names: str) -> list[Dispatch]:
    return [part(name, *RUNNING) for name in names]


REJECTED = part("d", State.SENT, State.REJECTED)


def test_other_assets_take_over_for_the_rest_of_the_window() -> None:
    group = replace(GROUP, ordered_by="anna")
    found = again([*running("a", "b", "c"), REJECTED], group=group)
    assert found is not None
    assert found.cancels == ()
    assert ordered(found) == pytest.approx(dict.fromkeys("abc", 2 / 3))
    assert found.orders[0] == AssetOrder(
        "a", found.orders[0].mw, duration_us=500 * S, group_id="g", ordered_by="anna"
    )
    assert sum(ordered(found).values()) == pytest.approx(2.0, abs=1e-12)


def test_a_part_whose_agent_is_away_is_withdrawn() -> None:
    away = [*ALL[:3], candidate("d", online=False)]
    found = again(running(*NAMES), away)
    assert found is not None
    assert found.cancels == ("d@0",)
    assert ordered(found).keys() == set("abc")


def test_a_takeover_leaves_no_further_change() -> None:
    first = again([*running("a", "b", "c"), REJECTED])
    newer = [part(name, *RUNNING, mw=mw, at_s=100) for name, mw in ordered(first).items()]
    older = [part(name, *RUNNING, State.SUPERSEDED) for name in "abc"]
    assert again([*older, *newer, REJECTED]) is None


def test_an_asset_that_connects_later_takes_over() -> None:
    found = again([*running("a", "b"), REJECTED], lost="d")
    # Of 2 MW, a and b hold 1; c is new and free.
    assert ordered(found)["c"] == pytest.approx(0.5, abs=0.01)
    assert sum(ordered(found).values()) == pytest.approx(2.0)


def test_an_asset_under_another_order_does_not_take_over() -> None:
    found = again([*running("a", "b"), REJECTED], busy="c")
    assert ordered(found) == {"a": 1.0, "b": 1.0}


def test_parts_that_somebody_withdrew_or_superseded_are_not_made_up_for() -> None:
    taken = part("b", *RUNNING, State.SUPERSEDED)
    withdrawn = part("c", *RUNNING, cancelling="by hand")
    found = again([*running("a"), taken, withdrawn, REJECTED])
    assert ordered(found) == {"a": 1.0}


def test_an_agent_briefly_away_keeps_its_part_and_gets_no_more() -> None:
    site = [ALL[0], candidate("b", online=False), *ALL[2:]]
    found = again([*running("a", "b", "c"), REJECTED], site)
    assert ordered(found) == {"a": 0.75, "c": 0.75}


def test_an_asset_that_refused_more_gets_no_more() -> None:
    refused = part("a", State.SENT, State.REJECTED, mw=0.7, at_s=50)
    found = again([*running("a", "b", "c"), refused, REJECTED])
    assert ordered(found) == {"b": 0.75, "c": 0.75}


def test_as_much_as_fits_is_taken_over() -> None:
    found = again([*running("a"), *[replace(REJECTED, asset_id=n) for n in "bcd"]], lost="bcd")
    assert ordered(found) == {"a": 1.0}


def test_lost_parts_are_withdrawn_even_if_no_asset_is_left() -> None:
    away = [candidate(name, online=False) for name in NAMES]
    found = again(running(*NAMES), away, lost="abcd")
    assert found == Reallocation((), ("a@0", "b@0", "c@0", "d@0"))


@pytest.mark.parametrize(
    ("group", "lost", "now_us"),
    [
        (GROUP, "", NOW_US),
        (replace(GROUP, cancelling="by hand"), "d", NOW_US),
        (GROUP, "d", T0 + 599_500_000),
    ],
)
def test_cases_in_which_nothing_is_taken_over(group: DispatchGroup, lost: str, now_us: int) -> None:
    parts = [*running("a", "b", "c"), REJECTED]
    assert again(parts, group=group, lost=lost, now_us=now_us) is None


def test_a_takeover_before_the_window_covers_all_of_it() -> None:
    ahead = replace(GROUP, start_us=NOW_US + 60 * S)
    found = again([*running("a", "b", "c"), REJECTED], group=ahead)
    assert found is not None
    assert (found.orders[0].start_us, found.orders[0].duration_us) == (ahead.start_us, 600 * S)
    endless = replace(GROUP, duration_us=None)
    found = again([*running("a", "b", "c"), REJECTED], group=endless)
    assert found is not None
    assert (found.orders[0].start_us, found.orders[0].duration_us) == (None, None)


# --- who is lost ------------------------------------------------------------------------------


def test_assets_that_are_lost() -> None:
    parts = [
        *running("a"),
        part("b", State.SENT, State.FAILED),
        part("c", *RUNNING, State.COMPLETED),
        *running("d"),
        part("unknown", *RUNNING),
    ]
    away = {"c": T0, "d": T0 + 95 * S}
    assert lost_assets(parts, ASSETS, away, NOW_US) == {"b", "unknown"}
    assert lost_assets(parts, ASSETS, away, T0 + 105 * S) == {"b", "d", "unknown"}


def test_an_asset_that_was_replaced_stays_out() -> None:
    back = part("d", *RUNNING, State.CANCELLED, cancelling=AWAY)
    assert lost_assets([*running("a", "b", "c"), back], ASSETS, {}, NOW_US) == {"d"}


@pytest.mark.parametrize(("after_s", "grace_s"), [(10.0, 10), (0.5, 2)])
def test_an_agent_has_as_long_as_its_failsafe_waits(after_s: float, grace_s: int) -> None:
    assert grace_us(battery("a", after_s)) == grace_s * S


def test_a_device_without_a_failsafe_is_not_lost() -> None:
    assets = {"d": battery("d", after_s=0.0)}
    assert lost_assets(running("d"), assets, {"d": T0 - 9 * 10**12}, NOW_US) == frozenset()


# --- whatever drops out -----------------------------------------------------------------------

FATES = ("running", "rejected", "away", "taken", "withdrawn", "idle", "busy", "offline")


@given(
    st.lists(st.sampled_from(FATES), min_size=1, max_size=8),
    st.integers(-4_000_000, 4_000_000).map(lambda watts: watts / 1e6),
)
def test_parts_sum_up_whatever_drops_out(fates: list[str], mw: float) -> None:
    assets = {f"n{n}": battery(f"n{n}") for n in range(len(fates))}
    fate = dict(zip(assets, fates, strict=True))
    had = [name for name in assets if fate[name] not in ("idle", "busy", "offline")]
    part_mw = min(max(mw / max(1, len(had)), -1.0), 1.0)
    ends = {
        "rejected": (State.SENT, State.REJECTED),
        "taken": (*RUNNING, State.SUPERSEDED),
    }
    parts = [
        part(
            name,
            *ends.get(fate[name], RUNNING),
            mw=part_mw,
            cancelling="by hand" if fate[name] == "withdrawn" else None,
        )
        for name in had
    ]
    group = replace(GROUP, mw=part_mw * len(had))
    away = {name for name in assets if fate[name] in ("away", "offline")}
    site = [Candidate(assets[name], name not in away, 0.0, 0.5) for name in assets]
    busy = {name for name in assets if fate[name] == "busy"}
    lost = lost_assets(parts, assets, dict.fromkeys(away, T0), NOW_US)
    assert lost == {name for name in had if fate[name] in ("rejected", "away")}
    found = reallocate(group, parts, site, lost=lost, busy=busy, now_us=NOW_US)
    if found is None:
        return
    ordered_mw = {order.asset_id: order.mw for order in found.orders}
    assert set(found.cancels) == {each.id for each in parts if fate[each.asset_id] == "away"}
    for asset_id, its_mw in ordered_mw.items():
        assert fate[asset_id] in ("running", "idle")
        assert its_mw in assets[asset_id].limits
        assert its_mw * group.mw >= 0
        assert abs(its_mw) >= (abs(part_mw) if fate[asset_id] == "running" else 0.0) - 1e-9
    # What was lost is all that is made up for, and all of it if the others have the headroom.
    running = [name for name in had if fate[name] == "running"]
    before_mw = part_mw * len(running)
    after_mw = sum({**dict.fromkeys(running, part_mw), **ordered_mw}.values())
    room_mw = sum(1.0 for name in assets if fate[name] in ("running", "idle"))
    wanted_mw = before_mw + part_mw * len(lost)
    assert abs(after_mw) == pytest.approx(min(abs(wanted_mw), room_mw), abs=1e-6 * len(assets))
    newer = [part(name, *RUNNING, mw=its_mw, at_s=100) for name, its_mw in ordered_mw.items()]
    gone = [
        replace(each, cancelling=AWAY) if fate[each.asset_id] == "away" else each for each in parts
    ]
    again = reallocate(group, [*gone, *newer], site, lost=lost, busy=busy, now_us=NOW_US)
    assert again is None, "done once, there is nothing left to do"
