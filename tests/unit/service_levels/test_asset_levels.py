"""What one asset's service levels count, where the property test does not look."""

import pytest

from derhead.dispatch import Dispatch, State
from derhead.dispatch.life.dispatches import StateChange
from derhead.service_levels import HOUR_US, WINDOW_HOURS
from tests.support.counted_asset import CountedAsset, hour_number
from tests.support.epoch import T0, S

HOUR_S = 3600


def counted() -> CountedAsset:
    """An asset whose agent sent a first sample at 0 s."""
    asset = CountedAsset()
    asset.connect("session")
    asset.sample()
    return asset


def send_for(asset: CountedAsset, seconds: int) -> None:
    for _ in range(0, seconds, 4):
        asset.wait(4)
        asset.sample()


def test_an_asset_counts_from_its_first_sample() -> None:
    asset = CountedAsset()
    asset.wait(1000)
    asset.connect("session")
    assert asset.sums().assets == 0
    asset.wait(5)
    asset.sample()
    asset.wait(5)
    sums = asset.sums()
    assert (sums.assets, sums.from_us, sums.counted_us) == (1, T0 + 1005 * S, 5 * S)
    assert sums.telemetry == sums.availability == 1.0


def test_backfill_does_not_make_the_past_fresh() -> None:
    asset = counted()
    asset.wait(60)
    for age_s in range(56, 10, -4):
        asset.sample(age_s, backfill=True)
    asset.wait(10)
    sums = asset.sums()
    assert (sums.fresh_us, sums.counted_us) == (10 * S, 70 * S)
    assert (sums.outages, sums.longest_us) == (1, 60 * S)


def test_a_wrong_clock_of_an_agent_makes_its_samples_no_older() -> None:
    asset = counted()
    for _ in range(5):
        asset.wait(8)
        asset.sample(86_400)
    assert asset.sums().telemetry == 1.0


def test_an_outage_over_several_hours_counts_once_and_whole() -> None:
    asset = counted()
    send_for(asset, HOUR_S - 4)
    asset.wait(3 * HOUR_S)
    asset.sample()
    asset.wait(1)
    sums = asset.sums()
    assert (sums.outages, sums.longest_us) == (1, (3 * HOUR_S - 10) * S)
    hours = [asset.stored[hour] for hour in sorted(asset.stored)]
    assert [hour_number(each.hour_us) for each in hours] == [0, 1, 2, 3]
    assert [each.seen_us for each in hours[1:3]] == [HOUR_US, HOUR_US]
    assert [each.outages for each in hours] == [0, 1, 0, 0]


def test_the_window_forgets_its_oldest_hour() -> None:
    asset = counted()
    asset.wait(60)
    asset.sample()
    for _ in range(WINDOW_HOURS):
        send_for(asset, HOUR_S)
    asset.wait(1)
    sums = asset.sums()
    assert sums.from_us == T0 + HOUR_US
    # The last sample of the hour before it keeps its first seconds fresh.
    assert sums.fresh_us == sums.counted_us == (WINDOW_HOURS - 1) * HOUR_US + 61 * S
    assert sums.outages == 0


def test_time_without_a_headend_counts_and_whole_hours_need_no_record() -> None:
    asset = counted()
    asset.wait(4)
    asset.store()
    asset.wait(5 * HOUR_S)
    asset.start()
    asset.wait(2)
    sums = asset.sums()
    assert [hour_number(hour) for hour in sorted(asset.stored)] == [0, 5]
    assert sums.counted_us == (5 * HOUR_S + 6) * S
    assert sums.down_us == (5 * HOUR_S) * S
    assert sums.fresh_us == 4 * S
    assert sums.longest_us == (5 * HOUR_S + 2) * S


@pytest.mark.parametrize("silent", [False, True], ids=["telemetry came", "none came"])
def test_after_a_kill_the_newest_sample_shows_until_when_the_headend_ran(silent: bool) -> None:
    asset = counted()
    asset.wait(4)
    if silent:
        asset.wait(60)
    asset.store()
    if not silent:
        send_for(asset, 40)
    asset.wait(100)
    asset.start()
    sums = asset.sums()
    assert sums.fresh_us == (10 if silent else 44) * S
    assert sums.down_us == 100 * S
    assert sums.counted_us == (164 if silent else 144) * S


@pytest.mark.parametrize("by_s", [7200, -7200, 30 * 86_400, 5])
def test_no_time_counts_for_a_clock_that_is_set(by_s: int) -> None:
    asset = counted()
    asset.wait(4)
    asset.sample()
    asset.set_s += by_s
    asset.wait(4)
    asset.sample()
    asset.wait(2)
    asset.levels.count(asset.now_us)
    totals = asset.totals
    assert (totals.seen_us, totals.fresh_us, totals.held_us) == (10 * S, 10 * S, 10 * S)
    asset.store()
    assert sum(each.seen_us + each.down_us for each in asset.stored.values()) == 10 * S


def test_a_session_that_another_replaced_takes_nothing_with_it() -> None:
    asset = counted()
    asset.connect("next")
    asset.disconnect("session")
    asset.wait(4)
    sums = asset.sums()
    assert (sums.reconnects, sums.availability) == (1, 1.0)


# --- dispatches ---------------------------------------------------------------------------


def ordered(start_s: float = 0.0) -> Dispatch:
    """An order of now, whose window begins then."""
    first = StateChange(State.PENDING, T0)
    return Dispatch("d", "a", 1.0, T0, T0 + round(start_s * S), None, states=(first,))


def moved(dispatch: Dispatch, *moves: tuple[State, float]) -> Dispatch:
    """The dispatch in later states, each at so many seconds."""
    changes = tuple(StateChange(state, T0 + round(at_s * S)) for state, at_s in moves)
    states = (*dispatch.states, *changes)
    fields = {name: getattr(dispatch, name) for name in ("id", "asset_id", "mw", "created_us")}
    return Dispatch(
        **fields,
        start_us=dispatch.start_us,
        duration_us=None,
        state=states[-1].state,
        states=states,
    )


Counts = tuple[int, int, int, int]
"""Received, of them late, started, of them late."""


@pytest.mark.parametrize(
    ("moves", "start_s", "expected"),
    [
        ([[(State.SENT, 0.01)], [(State.RECEIVED, 0.02), (State.STARTED, 0.03)]], 0, (1, 0, 1, 0)),
        ([[(State.SENT, 0.01)], [(State.RECEIVED, 2.0)], [(State.STARTED, 2.5)]], 0, (1, 0, 1, 1)),
        (
            [[(State.SENT, 0.01)], [(State.RECEIVED, 2.1)], [(State.STARTED, 61.0)]],
            60,
            (1, 1, 1, 0),
        ),
        ([[(State.SENT, 0.01)], [(State.REJECTED, 0.5)]], 0, (1, 0, 0, 0)),
        ([[(State.SENT, 0.01)], [(State.FAILED, 86_400)]], 0, (1, 1, 0, 0)),
        # The agent had it before its link broke, and says so when it is back.
        (
            [[(State.SENT, 0.01)], [(State.PENDING, 1.0)], [(State.STARTED, 1.5)]],
            0,
            (1, 0, 1, 0),
        ),
        ([[(State.CANCELLED, 5.0)]], 0, (0, 0, 0, 0)),
    ],
    ids=["in time", "late start", "late receipt", "refused", "no answer", "resumed", "never sent"],
)
def test_what_counts_as_late(
    moves: list[list[tuple[State, float]]], start_s: float, expected: Counts
) -> None:
    asset = counted()
    now = ordered(start_s)
    asset.levels.take_dispatch(None, now)
    for together in moves:
        before, now = now, moved(now, *together)
        asset.levels.take_dispatch(before, now)
    totals = asset.totals
    assert (
        totals.received,
        totals.received_late,
        totals.started,
        totals.started_late,
    ) == expected
    sums = asset.sums()
    assert (sums.received.total, sums.received.late) == expected[:2]
    assert (sums.started.total, sums.started.late) == expected[2:]


def test_an_order_to_an_absent_agent_is_late_only_after_its_session_began() -> None:
    asset = counted()
    asset.disconnect("session")
    order = ordered()
    asset.wait(600)
    asset.connect("next")
    sent = moved(order, (State.SENT, 600.1))
    asset.levels.take_dispatch(sent, moved(sent, (State.RECEIVED, 600.2), (State.STARTED, 602.5)))
    assert (asset.totals.received_late, asset.totals.started_late) == (0, 1)


@pytest.mark.parametrize("is_read_first", [False, True])
def test_an_asset_that_leaves_and_comes_back_keeps_the_hour(is_read_first: bool) -> None:
    asset = counted()
    send_for(asset, 600)
    asset.store()
    (left,), asset.stored = asset.stored.values(), {}
    asset.wait(300)
    asset.start()
    if is_read_first:
        asset.levels.take_past([left])
        assert asset.levels.sums().counted_us == 600 * S
    asset.connect("session")
    asset.sample()
    send_for(asset, 100)
    for _ in range(2):
        # It is read again each hour.
        asset.levels.count(asset.now_us)
        asset.levels.take_past([left])
        sums = asset.levels.sums()
        assert (sums.fresh_us, sums.counted_us) == (700 * S, 700 * S)


def test_an_asset_that_comes_back_later_has_its_past() -> None:
    asset = counted()
    send_for(asset, 600)
    asset.store()
    (left,), asset.stored = asset.stored.values(), {}
    asset.wait(HOUR_S)
    asset.start()
    asset.levels.take_past([left])
    asset.connect("session")
    asset.sample()
    send_for(asset, 100)
    asset.levels.count(asset.now_us)
    sums = asset.levels.sums()
    assert (sums.fresh_us, sums.counted_us) == (700 * S, 700 * S)
