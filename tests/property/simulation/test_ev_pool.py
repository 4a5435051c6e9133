"""Charge points serve who is there, within their limits, and lose no energy."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deragent.drivers.simulation.models import EvPool, Inputs, Output
from deragent.drivers.simulation.models.ev_pool import Vehicle
from derproto.der.v1 import OperatingState

RATED_MW = 0.2
NOON_S = datetime(2026, 6, 15, 19, tzinfo=UTC).timestamp()
COMMANDS = st.none() | st.floats(-0.3, 0.1)
TIMES = st.floats(0, 7200)
SEEDS = st.sampled_from(["a", "b", "c"])


def pool(seed: str = "a", at_s: float = NOON_S) -> EvPool:
    return EvPool(RATED_MW, 0.02, seed).step(Inputs(0.0, at_s, None))[0]


def step(pool: EvPool, dt_s: float, command_mw: float | None = None) -> tuple[EvPool, Output]:
    assert pool.at_s is not None
    return pool.step(Inputs(dt_s, pool.at_s + dt_s, command_mw))


def need_mwh(pool: EvPool) -> float:
    return sum(each.need_mwh for each in pool.vehicles)


@settings(max_examples=25)
@given(SEEDS, st.lists(st.tuples(TIMES, COMMANDS), max_size=10))
def test_power_is_that_of_the_vehicles_and_within_the_command(
    seed: str, steps: list[tuple[float, float | None]]
) -> None:
    now = pool(seed)
    for dt_s, command_mw in steps:
        now, output = step(now, dt_s, command_mw)
        assert len(now.vehicles) <= now.points == 10
        assert all(0 < each.limit_mw <= 0.02 for each in now.vehicles)
        wanting_mw = sum(each.limit_mw for each in now.vehicles if each.need_mwh > 0)
        assert output.own_mw == -wanting_mw
        wanted_mw = wanting_mw if command_mw is None else min(wanting_mw, max(0.0, -command_mw))
        assert output.p_mw == pytest.approx(-wanted_mw, abs=1e-8)
        assert -RATED_MW <= output.p_mw <= 0


@settings(max_examples=25)
@given(SEEDS, TIMES, TIMES, COMMANDS)
def test_a_step_equals_its_parts(
    seed: str, first_s: float, then_s: float, command_mw: float | None
) -> None:
    once, output = step(pool(seed), first_s + then_s, command_mw)
    parts, of_parts = step(step(pool(seed), first_s, command_mw)[0], then_s, command_mw)
    assert len(parts.vehicles) == len(once.vehicles)
    # Seconds since 1970 have a resolution of 0.2 us.
    assert need_mwh(parts) == pytest.approx(need_mwh(once), abs=1e-9)
    assert of_parts.p_mw == pytest.approx(output.p_mw, abs=1e-6)


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 60), st.floats(-0.2, 0))
def test_vehicles_get_the_energy_that_flows(seed: str, seconds: int, command_mw: float) -> None:
    now, flowed_mwh = pool(seed), 0.0
    stays = {each.arrives_s for each in now.vehicles}
    before_mwh = need_mwh(now)
    for _ in range(seconds):
        _, output = step(now, 0.0, command_mw)
        now, _ = step(now, 1.0, command_mw)
        flowed_mwh -= output.p_mw / 3600
    if {each.arrives_s for each in now.vehicles} == stays:
        # Within the second in which a vehicle is full, the sum of seconds is too high.
        assert before_mwh - need_mwh(now) == pytest.approx(flowed_mwh, abs=2 * 0.02 / 3600)


@settings(max_examples=25)
@given(SEEDS, st.floats(1e9, 2e9))
def test_the_same_seed_and_time_have_the_same_vehicles(seed: str, at_s: float) -> None:
    assert pool(seed, at_s) == pool(seed, at_s)


def test_a_pool_that_is_opened_again_finds_nearly_all_of_its_vehicles() -> None:
    found = missed = 0
    for seed in "abcdefghij":
        later, _ = step(step(pool(seed), 45_000.0)[0], 45_000.0)
        here = {(each.arrives_s, round(each.need_mwh, 9)) for each in later.vehicles}
        again = pool(seed, NOON_S + 90_000.0).vehicles
        both = here & {(each.arrives_s, round(each.need_mwh, 9)) for each in again}
        found, missed = found + len(both), missed + len(here - both)
    assert found > 30
    assert missed <= found / 10


def test_vehicles_come_and_go_and_most_are_full_when_they_leave() -> None:
    now, seen, left_mwh = pool(), 0, []
    busy = []
    for _ in range(24 * 7 * 4):
        before = {each.arrives_s: each for each in now.vehicles}
        now, output = step(now, 900.0)
        here = {each.arrives_s for each in now.vehicles}
        seen += len(here - set(before))
        left_mwh += [each.need_mwh for at_s, each in before.items() if at_s not in here]
        busy.append(len(here))
        assert output.status in (OperatingState.RUNNING, OperatingState.STANDBY)
    assert 100 < seen < 500
    assert sum(busy) / len(busy) == pytest.approx(5, abs=1.5)
    # Those left in the last quarter of an hour were looked at before.
    assert sum(need > 0.005 for need in left_mwh) < 0.1 * len(left_mwh)


def test_what_a_full_vehicle_leaves_goes_to_the_others() -> None:
    soon_full = Vehicle(0.0, NOON_S + 9000, limit_mw=0.02, need_mwh=0.002)
    hungry = Vehicle(0.0, NOON_S + 9000, limit_mw=0.02, need_mwh=0.06)
    now = EvPool(0.04, 0.02, "a", vehicles=(soon_full, hungry), at_s=NOON_S)
    after, output = step(now, 3600.0, -0.02)
    assert [each.need_mwh for each in after.vehicles] == pytest.approx([0.0, 0.042])
    assert output.p_mw == pytest.approx(-0.02)


def test_a_pool_told_to_wait_keeps_what_its_vehicles_want() -> None:
    now = pool()
    after, output = step(now, 60.0, 0.0)
    assert (output.p_mw, output.status) == (0.0, OperatingState.CURTAILED)
    assert need_mwh(after) >= need_mwh(now) > 0


def test_a_clock_that_jumps_keeps_the_vehicles() -> None:
    now = pool()
    jumped, _ = now.step(Inputs(4.0, NOON_S - 5400.0, None))
    assert {each.arrives_s for each in jumped.vehicles} >= {
        each.arrives_s for each in now.vehicles if each.need_mwh > 0
    }
