"""Silence of the headend: when an asset acts alone, and how it comes back."""

import math
from dataclasses import replace

import pytest

from deragent.timelines import failsafe
from deragent.timelines.asset_timeline import Timeline, next_deadline
from deragent.timelines.stepping import step
from deragent.timelines.timed_orders import (
    Applied,
    ApplyFailed,
    DefaultFailed,
    DefaultTaken,
    TimelineEvent,
    TimePassed,
)
from derproto.configuration.fleet import Failsafe, FailsafeAction
from tests.support.dispatch.timelines import IDLE, arrive, moment, words

DEFAULT, RELEASE, HOLD = (
    replace(IDLE, failsafe=Failsafe(60.0, FailsafeAction.DEFAULT)),
    replace(IDLE, failsafe=Failsafe(60.0, FailsafeAction.RELEASE)),
    replace(IDLE, failsafe=Failsafe(0.0)),
)
SILENCES: dict[str, tuple[Timeline, list[tuple[float, float, TimelineEvent, list[str]]]]] = {
    # (now, when the headend was last heard, what happens, what follows)
    "nothing in force": (DEFAULT, [(900, 0, TimePassed(), [])]),
    "suspended and resumed": (
        DEFAULT,
        [
            (0, 0, arrive("a", end_s=600), ["a received", "tell a 1"]),
            (0, 0, Applied("a", 1.0), ["a started"]),
            (59, 0, TimePassed(), []),
            (60, 0, TimePassed(), ["a started suspended", "default 0.25"]),
            (60, 0, DefaultTaken(), []),
            (90, 0, TimePassed(), []),
            (100, 100, TimePassed(), ["tell a 1"]),
            (101, 100, Applied("a", 1.0), ["a started -41"]),
            (130, 100, TimePassed(), []),
            (160, 100, TimePassed(), ["a started suspended -41", "default 0.25"]),
            (160, 100, DefaultTaken(), []),
            (170, 170, TimePassed(), ["tell a 1"]),
            (170, 170, Applied("a", 1.0), ["a started -51"]),
            (600, 600, TimePassed(), ["a completed -51", "default 0.25"]),
        ],
    ),
    "suspended to the end": (
        DEFAULT,
        [
            (0, 0, arrive("a", end_s=200), ["a received", "tell a 1"]),
            (0, 0, Applied("a", 1.0), ["a started"]),
            (60, 0, TimePassed(), ["a started suspended", "default 0.25"]),
            (61, 0, DefaultTaken(), []),
            (210, 0, TimePassed(), ["a completed -140"]),
        ],
    ),
    "released, and told its default at the end": (
        RELEASE,
        [
            (0, 0, arrive("a", end_s=200), ["a received", "tell a 1"]),
            (0, 0, Applied("a", 1.0), ["a started"]),
            (60, 0, TimePassed(), ["a started suspended", "release"]),
            (61, 0, DefaultFailed(), []),
            (66, 0, TimePassed(), ["release"]),
            (66, 0, DefaultTaken(), []),
            (200, 0, TimePassed(), ["a completed -140", "default 0.25"]),
        ],
    ),
    "holds to the end": (
        HOLD,
        [
            (0, 0, arrive("a", end_s=90_000), ["a received", "tell a 1"]),
            (0, 0, Applied("a", 1.0), ["a started"]),
            (80_000, 0, TimePassed(), []),
            (90_000, 0, TimePassed(), ["a completed", "default 0.25"]),
        ],
    ),
    "does not start in silence, and starts once it is broken": (
        DEFAULT,
        [
            (0, 0, arrive("a", start_s=100, end_s=200), ["a received"]),
            (100, 0, TimePassed(), []),
            (150, 150, TimePassed(), ["tell a 1"]),
            (150, 150, Applied("a", 1.0), ["a started -50"]),
            (200, 200, TimePassed(), ["a completed -50", "default 0.25"]),
        ],
    ),
    "starts alone while the silence is short": (
        DEFAULT,
        [
            (0, 0, arrive("a", start_s=59, end_s=200), ["a received"]),
            (59, 0, TimePassed(), ["tell a 1"]),
            (59, 0, Applied("a", 1.0), ["a started"]),
            (60, 0, TimePassed(), ["a started suspended", "default 0.25"]),
        ],
    ),
    "a window that passes in silence": (
        DEFAULT,
        [
            (0, 0, arrive("a", start_s=100, end_s=200), ["a received"]),
            (100, 0, TimePassed(), []),
            (200, 0, TimePassed(), ["a expired -100"]),
        ],
    ),
    "an answer that comes after the silence": (
        DEFAULT,
        [
            (55, 0, arrive("a", end_s=200), ["a received", "tell a 1"]),
            (60, 0, TimePassed(), ["default 0.25"]),
            (60, 0, Applied("a", 1.0), ["a started suspended"]),
            (60, 0, DefaultTaken(), []),
            (80, 80, TimePassed(), ["tell a 1"]),
        ],
    ),
    "no tries in silence": (
        DEFAULT,
        [
            (59, 0, arrive("a", end_s=200), ["a received", "tell a 1"]),
            (59, 0, ApplyFailed("a", "bus"), []),
            (60, 0, TimePassed(), ["default 0.25"]),
            (61, 0, TimePassed(), []),
            (200, 0, TimePassed(), ["a failed -140", "default 0.25"]),
        ],
    ),
    "replaced once the headend is back": (
        DEFAULT,
        [
            (0, 0, arrive("a"), ["a received", "tell a 1"]),
            (0, 0, Applied("a", 1.0), ["a started"]),
            (60, 0, TimePassed(), ["a started suspended", "default 0.25"]),
            (60, 0, DefaultTaken(), []),
            (90, 90, arrive("b", 0.5), ["a superseded -30", "b received", "tell b 0.5"]),
        ],
    ),
}


@pytest.mark.parametrize("name", SILENCES)
def test_silence(name: str) -> None:
    timeline, moves = SILENCES[name]
    told = []
    for at_s, heard_s, event, _ in moves:
        timeline, effects = step(timeline, event, moment(at_s, heard_s))
        told.append([words(effect) for effect in effects])
    assert told == [expected for _, _, _, expected in moves]


def test_silence_is_a_deadline_while_an_order_is_in_force() -> None:
    assert next_deadline(DEFAULT, 0.0) is None
    timeline, _ = step(DEFAULT, arrive("a", end_s=600), moment(0))
    assert next_deadline(timeline, 7.0) == 67.0
    timeline, _ = step(timeline, Applied("a", 1.0), moment(0))
    assert next_deadline(timeline, 7.0) == 67.0
    timeline, _ = step(timeline, TimePassed(), moment(67, 7))
    timeline, _ = step(timeline, DefaultTaken(), moment(67, 7))
    assert timeline.suspended
    assert next_deadline(timeline, 7.0) == 600.0


def test_a_failsafe_has_a_time_and_a_setpoint() -> None:
    watched = Failsafe(30.0, FailsafeAction.DEFAULT)
    assert failsafe.due_s(watched, 100.0) == 130.0
    assert not failsafe.is_due(watched, 100.0, 129.9)
    assert failsafe.is_due(watched, 100.0, 130.0)
    assert failsafe.retreat_mw(watched, 0.5) == 0.5
    assert failsafe.retreat_mw(replace(watched, action=FailsafeAction.RELEASE), 0.5) is None
    holding = Failsafe(0.0)
    assert failsafe.due_s(holding, 100.0) is None
    assert not failsafe.is_due(holding, 100.0, 1e9)
    assert failsafe.is_due(holding, -math.inf, 0.0)
