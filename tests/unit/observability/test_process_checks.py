"""Checks of the loop, the disk and the clock."""

import pytest

from derhead.observability import Health
from derhead.observability.checks.process_checks import (
    STEP_SHOWN_S,
    ClockStep,
    ClockSteps,
    clock_check,
    disk_check,
    loop_check,
)
from derproto.metrics.process_watch import DiskRoom
from tests.support.epoch import T0, S


def test_a_loop_that_stood_still_for_a_second_degrades() -> None:
    assert loop_check(0.012).health is Health.READY
    assert loop_check(0.012).detail == "at most 12 ms late of late"
    found = loop_check(3.21)
    assert (found.health, found.detail) == (
        Health.DEGRADED,
        "stood still for 3.2 s within the last two minutes",
    )


@pytest.mark.parametrize(
    ("free", "whole", "health"),
    [
        (50_000_000_000, 100_000_000_000, Health.READY),
        (4_000_000_000, 100_000_000_000, Health.DEGRADED),
        (900_000_000, 2_000_000_000, Health.DEGRADED),
        (0, 0, Health.DEGRADED),
    ],
)
def test_a_disk_with_little_room_degrades(free: int, whole: int, health: Health) -> None:
    assert disk_check(DiskRoom(free, whole)).health is health


def test_a_disk_that_was_not_read_yet_is_no_trouble() -> None:
    assert disk_check(None).health is Health.READY


def test_a_clock_that_is_set_is_noticed_and_one_that_drifts_is_not() -> None:
    steps = ClockSteps()
    steps.look(T0, 100.0)
    steps.look(T0 + 10 * S + S // 2, 110.0)
    assert (steps.count, steps.last) == (0, None)
    steps.look(T0 - 3600 * S, 120.0)
    assert steps.count == 1
    assert steps.last == ClockStep(-3620.5, 120.0)
    steps.look(T0 - 3590 * S, 130.0)
    assert steps.count == 1


def test_a_step_shows_for_an_hour() -> None:
    step = ClockStep(-3620.5, 120.0)
    found = clock_check(step, 720.0, agents=0, agents_off=0)
    assert found.health is Health.DEGRADED
    assert found.detail == "was set by -3620.5 s, 10 min ago: see timedatectl"
    assert clock_check(step, 120.0 + STEP_SHOWN_S, agents=0, agents_off=0).health is Health.READY


@pytest.mark.parametrize(
    ("agents", "off", "health"),
    [
        (2, 2, Health.READY),
        (3, 1, Health.READY),
        (3, 2, Health.DEGRADED),
        (100, 50, Health.READY),
        (100, 51, Health.DEGRADED),
    ],
)
def test_most_agents_outvote_the_clock(agents: int, off: int, health: Health) -> None:
    assert clock_check(None, 0.0, agents=agents, agents_off=off).health is health
