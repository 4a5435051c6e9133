"""Timelines over a restart: nothing is forgotten, and no window gets longer."""

import json
import math
from dataclasses import replace

import pytest

from deragent.timelines import timeline_format
from deragent.timelines.absence import Stamp, passed_s
from deragent.timelines.asset_timeline import Timeline, last_reports
from deragent.timelines.stepping import step
from deragent.timelines.timed_orders import (
    AbsenceCorrected,
    Applied,
    ApplyFailed,
    Moment,
    Phase,
    Report,
    SetpointArrived,
    TimedOrder,
    TimelineEffect,
    TimelineEvent,
    TimePassed,
)
from deragent.timelines.timeline_format import (
    LoadedTimelines,
    SavedTimelines,
    UnreadableTimelines,
    read_timelines,
    write_timelines,
)
from derproto.configuration.fleet import Failsafe, Limits
from derproto.der.v1 import DispatchReason, DispatchState, Suspension
from tests.support.dispatch.timelines import IDLE, arrive, moment, words
from tests.support.epoch import HOUR_US

NOON = Stamp(wall_us=100 * HOUR_US, boot="b1", up_us=50 * HOUR_US)
HELD = replace(IDLE, failsafe=Failsafe(0.0))


def later(seconds: float, *, clock_s: float | None = None, boot: str = "b1") -> Stamp:
    """A stamp after NOON: by the time since boot, and by the wall clock."""
    wall_us = NOON.wall_us + round((seconds if clock_s is None else clock_s) * 1e6)
    up_us = NOON.up_us + round(seconds * 1e6) if boot == NOON.boot else 7
    return Stamp(wall_us, boot, up_us)


def live(timeline: Timeline, *moves: tuple[float, TimelineEvent]) -> Timeline:
    for at_s, event in moves:
        timeline, _ = step(timeline, event, moment(at_s))
    return timeline


def over_a_restart(
    timeline: Timeline,
    then_s: float,
    stamp: Stamp,
    *,
    now: Moment,
    blank: Timeline = HELD,
    silent_s: float = 0.0,
) -> tuple[Timeline, list[TimelineEffect], LoadedTimelines]:
    """The timeline that an agent killed at ``then_s`` restores, and its first effects."""
    image = SavedTimelines(NOON, moment(then_s, then_s - silent_s), {"asset": timeline})
    recalled = read_timelines(write_timelines(image))
    after = recalled.timeline("asset", blank, now, stamp)
    after, effects = step(after, TimePassed(), now)
    return after, list(effects), recalled


STARTED = live(HELD, (0, arrive("a", end_s=600)), (0, Applied("a", 1.0)))


@pytest.mark.parametrize(
    ("stamp", "passed"),
    [
        (later(60), 60.0),
        # The wall clock was set; the time since boot was not.
        (later(60, clock_s=-3600), 60.0),
        (later(60, clock_s=7200), 60.0),
        # Another boot: only the wall clock knows, unless it was set back.
        (later(60, boot="b2"), 60.0),
        (later(60, clock_s=-1, boot="b2"), None),
        (Stamp(NOON.wall_us + 5_000_000), 5.0),
        # A time since boot that went backwards is unknown.
        (replace(NOON, up_us=NOON.up_us - 1), None),
    ],
)
def test_the_time_between_two_stamps(stamp: Stamp, passed: float | None) -> None:
    assert passed_s(NOON, stamp) == passed


def test_machines_that_do_not_tell_their_boot_are_not_the_same_boot() -> None:
    assert passed_s(Stamp(5_000_000, "", 10), Stamp(7_000_000, "", 10)) == 2.0


@pytest.mark.parametrize("mono_s", [-5000.0, 0.0, 1e7])
def test_the_remainder_is_resumed_and_the_interruption_counted(mono_s: float) -> None:
    now = moment(mono_s)
    after, effects, _ = over_a_restart(STARTED, 100, later(60), now=now)
    assert [words(e) for e in effects] == ["tell a 1"]
    assert after.held[0].end_s == pytest.approx(mono_s + 440)
    after, effects_ = step(after, Applied("a", 1.0), moment(mono_s + 1))
    assert [words(e) for e in effects_] == ["a started -61"]
    report = effects_[0]
    assert isinstance(report, Report)
    assert report.revision == 3
    _, effects_ = step(after, TimePassed(), moment(mono_s + 440))
    assert [words(e) for e in effects_] == ["a completed -61", "default 0.25"]


def test_a_window_that_ended_meanwhile() -> None:
    now = Moment(9000.0, 1_000_000_000, 9000.0)
    after, effects, _ = over_a_restart(STARTED, 100, later(700), now=now)
    assert [words(e) for e in effects] == ["a completed -500", "default 0.25"]
    # It ended 200 s ago.
    assert isinstance(effects[0], Report)
    assert effects[0].ts_us == 800_000_000
    assert last_reports(after, now)[0].state is DispatchState.COMPLETED


def test_a_window_that_passed_meanwhile() -> None:
    waiting = live(HELD, (0, arrive("a", start_s=200, end_s=300)))
    _, effects, _ = over_a_restart(waiting, 100, later(300), now=moment(9000))
    assert [words(e) for e in effects] == ["a expired"]


def test_a_waiting_order_still_waits() -> None:
    waiting = live(HELD, (0, arrive("a", start_s=200, end_s=300)))
    after, effects, _ = over_a_restart(waiting, 100, later(50), now=moment(9000))
    assert effects == []
    assert (after.held[0].start_s, after.held[0].end_s) == (9050, 9150)


def test_a_clock_that_was_set_back_ends_windows() -> None:
    both = live(STARTED, (1, arrive("b", start_s=5000, end_s=None)))
    stepped = later(60, clock_s=-60, boot="b2")
    after, effects, recalled = over_a_restart(both, 100, stepped, now=moment(9000))
    assert [words(e) for e in effects] == ["a completed", "default 0.25"]
    # An order without an end keeps its full wait.
    assert [(o.dispatch_id, o.start_s) for o in after.held] == [("b", 9000 + 4900)]
    # How long the headend was silent is not known either.
    assert recalled.heard_s(moment(9000), stepped) == -math.inf


def test_silence_goes_on_over_a_restart() -> None:
    image = SavedTimelines(NOON, moment(100, 70), {})
    recalled = read_timelines(write_timelines(image))
    assert recalled.heard_s(moment(9000), later(20)) == 9000 - 20 - 30
    never = read_timelines(write_timelines(replace(image, now=moment(100, -math.inf))))
    assert never.heard_s(moment(9000), later(20)) == -math.inf


def test_the_period_is_remembered() -> None:
    image = SavedTimelines(NOON, moment(100), {}, period_s=0.5)
    assert read_timelines(write_timelines(image)).period_s == 0.5
    assert read_timelines(write_timelines(replace(image, period_s=None))).period_s is None
    # Early versions did not write it.
    _head, body = write_timelines(image).split(b"\n")
    old = body.replace(b'"period_us": 500000, ', b"")
    head = f"deragent-timelines 1 {timeline_format._checksum(old)}\n".encode()
    assert old != body
    assert read_timelines(head + old).period_s is None


def test_after_another_boot_the_headends_clock_decides() -> None:
    stamp = replace(NOON, headend_us=5_000_000_000)
    image = SavedTimelines(stamp, moment(100), {})
    recalled = read_timelines(write_timelines(image))
    rebooted = later(20, boot="b2")
    assert recalled.heard_s(moment(9000), rebooted) == -math.inf
    absence = recalled.absence(moment(9000), rebooted)
    assert absence is not None
    # At 9010 the agent assumes that 30 s have passed.
    assert absence.underestimated_s(5_030_000_000, 9010) == 0
    assert absence.underestimated_s(5_030_900_000, 9010) == 0
    assert absence.underestimated_s(5_090_000_000, 9010) == 60
    assert absence.underestimated_s(5_010_000_000, 9010) == -20
    # A headend's clock that was set back lengthens nothing.
    assert absence.underestimated_s(1, 9010) == 0
    # No clock is before 1970: the difference to the headend's would fit no report.
    assert replace(absence, left_us=-(2**63)).underestimated_s(2**63 - 1, 9010) == 0
    assert recalled.absence(moment(9000), later(20)) is None
    silent = read_timelines(write_timelines(replace(image, stamp=NOON)))
    assert silent.absence(moment(9000), rebooted) is None


def test_windows_move_when_more_time_had_passed() -> None:
    held = live(STARTED, (1, arrive("b", start_s=700, end_s=800)))
    after, _, _ = over_a_restart(held, 100, later(20), now=moment(0))
    after, _ = step(after, Applied("a", 1.0), moment(0))
    after, effects = step(after, AbsenceCorrected(490), moment(0))
    assert [words(e) for e in effects] == ["a completed -20", "default 0.25"]
    assert [(o.start_s, o.end_s) for o in after.held] == [(90, 190)]


def test_absences_in_a_row_are_corrected_as_one() -> None:
    """Two reboots, each with a clock that stood still, and no headend in between."""
    image = SavedTimelines(replace(NOON, headend_us=5_000_000_000), moment(100), {})
    recalled = read_timelines(write_timelines(image))
    second = replace(later(0, clock_s=0, boot="b2"), headend_us=0)
    first_absence = recalled.absence(moment(0), second)
    assert first_absence is not None
    # The second process saves after 7 s, and ends.
    doubtful = replace(second, headend_us=first_absence.left_us, doubtful_us=7_000_000)
    again = read_timelines(write_timelines(SavedTimelines(doubtful, moment(7), {})))
    for boot in ("b2", "b3"):
        absence = again.absence(moment(0), replace(second, boot=boot))
        assert absence is not None
        # It assumes that 7 s have passed in all; it was an hour.
        assert absence.underestimated_s(8_600_000_000, 0.0) == 3593


def test_starts_alone_move_when_less_time_had_passed() -> None:
    """The machine's clock had been set forward: no order begins early, none lasts longer."""
    held = live(HELD, (1, arrive("a", start_s=100, end_s=800)), (1, arrive("b", start_s=900)))
    # The agent assumes that 150 s have passed, and that the window of `a` has begun.
    unheard = moment(0, -math.inf)
    after, _, _ = over_a_restart(held, 50, later(0, clock_s=150, boot="b2"), now=unheard)
    assert after.suspended
    after, effects = step(after, AbsenceCorrected(-140), moment(0))
    assert after.in_force is None
    assert effects == ()
    assert [(o.start_s, o.end_s) for o in after.held] == [(40, 600), (840, None)]


def test_a_suspended_order_waits_until_the_headend_is_heard() -> None:
    watched = replace(IDLE, failsafe=Failsafe(60.0))
    timeline = live(watched, (0, arrive("a", end_s=600)), (0, Applied("a", 1.0)))
    timeline, _ = step(timeline, TimePassed(), moment(60, 0))
    now = moment(9000, 8900)
    after, effects, _ = over_a_restart(timeline, 80, later(20), now=now, blank=watched)
    # The device may be anywhere after a kill: it is told again.
    assert [words(e) for e in effects] == ["a started suspended -40", "default 0.25"]
    after, told = step(after, TimePassed(), moment(9010, 9010))
    assert [words(e) for e in told] == ["tell a 1"]
    after, told = step(after, Applied("a", 1.0), moment(9010, 9010))
    assert [words(e) for e in told] == ["a started -50"]


def test_an_order_that_was_being_told_is_told_again() -> None:
    telling = live(HELD, (0, arrive("a", end_s=600)), (1, ApplyFailed("a", "bus")))
    after, effects, _ = over_a_restart(telling, 1, later(10), now=moment(0))
    assert [words(e) for e in effects] == ["tell a 1"]
    assert after.in_force is not None
    assert (after.in_force.phase, after.in_force.attempts) == (Phase.TELLING, 0)


def test_a_device_still_has_to_take_its_default() -> None:
    ended = live(STARTED, (600, TimePassed()))
    assert ended.returning
    _, effects, _ = over_a_restart(ended, 600, later(5), now=moment(0))
    assert [words(e) for e in effects] == ["default 0.25"]


def test_ended_ids_are_remembered_for_a_day_in_all() -> None:
    ended = live(STARTED, (600, TimePassed()))
    day = 24 * 3600.0
    for passed, known in ((day - 1, True), (day, False)):
        after, _, _ = over_a_restart(ended, 600, later(passed), now=moment(0))
        reports = last_reports(after, moment(0))
        assert [(r.dispatch_id, r.state, r.revision) for r in reports] == (
            [("a", DispatchState.COMPLETED, 3)] if known else []
        )
    after, _, _ = over_a_restart(ended, 600, later(60), now=moment(0))
    _, effects = step(after, arrive("a", end_s=60), moment(0))
    assert [words(e) for e in effects] == ["a completed"]


def test_narrowed_limits_reject_held_orders() -> None:
    narrow = replace(HELD, limits=Limits(-0.5, 0.5))
    after, effects, _ = over_a_restart(STARTED, 10, later(1), now=moment(0), blank=narrow)
    assert [words(e) for e in effects] == ["default 0.25"]
    (report,) = last_reports(after, moment(0))
    assert (report.state, report.reason) == (DispatchState.REJECTED, DispatchReason.OUT_OF_RANGE)
    assert report.revision == 3


def test_every_field_of_a_report_comes_back() -> None:
    timeline = live(HELD, (0, arrive("a", ordered_us=5)), (0, Applied("a", 0.9)))
    timeline = live(timeline, (1, arrive("b", ordered_us=6, priority=1)))
    suspended = replace(
        timeline.seen["b"],
        report=replace(timeline.seen["b"].report, suspended=Suspension.LINK_SILENT),
    )
    timeline = replace(timeline, seen={**timeline.seen, "b": suspended})
    after = read_timelines(
        write_timelines(SavedTimelines(NOON, moment(1), {"asset": timeline}))
    ).timeline("asset", HELD, moment(1), NOON)
    assert dict(after.seen) == dict(timeline.seen)
    assert after.held == timeline.held


def test_an_asset_without_a_saved_timeline_begins_blank() -> None:
    recalled = read_timelines(write_timelines(SavedTimelines(NOON, moment(0), {})))
    assert recalled.timeline("asset", HELD, moment(0), NOON) is HELD


IMAGE = write_timelines(SavedTimelines(NOON, moment(10), {"asset": STARTED}))
IMAGE_BODY = IMAGE.partition(b"\n")[2]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a file of timelines"),
        (b"\x00\xff" * 40, "not a file of timelines"),
        (IMAGE.replace(b" 1 ", b" " + b"1" * 5000 + b" ", 1), "not a file of timelines"),
        (IMAGE.replace(b" 1 ", b" 2 ", 1), "a newer deragent wrote it"),
        (IMAGE[:-1], "checksum"),
        (IMAGE.replace(b"started", b"startle").replace(b"wall_us", b"wall_ms"), "checksum"),
        (IMAGE[:30], "checksum"),
    ],
)
def test_damaged_or_newer_bytes_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableTimelines, match=why):
        read_timelines(data)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"wall_us": 1, "boot": "", "up_us": 0, "assets": 5}',
        b"not json",
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(IMAGE_BODY.replace(b'"up_us": ', b'"up_us": ' + b"9" * 400), id="huge"),
        IMAGE_BODY.replace(b'"boot": "b1"', b'"boot": true'),
        IMAGE_BODY.replace(b'"period_us": null', b'"period_us": NaN'),
    ],
)
def test_nonsense_with_a_valid_checksum_is_refused(body: bytes) -> None:
    head = f"deragent-timelines 1 {timeline_format._checksum(body)}\n".encode()
    with pytest.raises(UnreadableTimelines, match="its content is invalid"):
        read_timelines(head + body)


def test_files_of_early_versions_are_read() -> None:
    said = json.loads(IMAGE.partition(b"\n")[2])
    del said["doubtful_us"]
    body = json.dumps(said).encode()
    head = f"deragent-timelines 1 {timeline_format._checksum(body)}\n".encode()
    assert read_timelines(head + body) == read_timelines(IMAGE)


@pytest.mark.parametrize(
    ("part", "value", "why"),
    [
        ("held", [["a"]], "not enough values"),
        ("held", [], "not those that it reports as held"),
        ("known", [], "KeyError"),
        ("returning", 1, "1 is neither true nor false"),
        (
            "force",
            {"id": "b", "away_us": 0, "told": True, "complaint": "", "interrupted_us": 0},
            "not held",
        ),
        (
            "force",
            {"id": "a", "away_us": 0, "told": True, "complaint": 7, "interrupted_us": 0},
            "7 is not a text",
        ),
    ],
)
def test_nonsense_about_one_asset_is_refused(part: str, value: object, why: str) -> None:
    said = json.loads(IMAGE_BODY)
    said["assets"]["asset"][part] = value
    recalled = LoadedTimelines(NOON, None, said["assets"])
    with pytest.raises(UnreadableTimelines, match=f"asset: .*{why}"):
        recalled.timeline("asset", HELD, moment(0), NOON)


# Each made every Register of the restarted agent fail, or its next step.
@pytest.mark.parametrize(
    ("list_", "place", "value", "why"),
    [
        ("held", 1, math.nan, "nan is not a finite number"),
        ("held", 2, "0", "'0' is not a whole number"),
        ("held", 3, 10**400, "a huge number is not a whole number"),
        ("held", 4, -(2**62), "is not a whole number"),
        ("known", 1, True, "True is not a text"),
        ("known", 1, "\ud800", "surrogates not allowed"),
        ("known", 3, 2**63, "is not a whole number"),
        ("known", 9, -1, "-1 is not a whole number from 0"),
        ("known", 10, 2**32, "is not a whole number from 0"),
    ],
)
def test_values_that_no_agent_writes_are_refused(
    list_: str, place: int, value: object, why: str
) -> None:
    said = json.loads(IMAGE_BODY)
    said["assets"]["asset"][list_][0][place] = value
    recalled = LoadedTimelines(NOON, None, said["assets"])
    with pytest.raises(UnreadableTimelines, match=why):
        recalled.timeline("asset", HELD, moment(0), NOON)


def test_extreme_orders_of_a_headend_come_back() -> None:
    extreme = TimedOrder("a", 1.0, 2**32 - 1, 2.0**64 / 1e6, None, math.inf, 2**64 - 1, -(2**63))
    timeline = live(HELD, (0, SetpointArrived(extreme)))
    assert len(timeline.held) == 1
    image = SavedTimelines(replace(NOON, headend_us=2**63 + 10**9), moment(0), {"asset": timeline})
    after = read_timelines(write_timelines(image)).timeline("asset", HELD, moment(0), NOON)
    assert after.held == timeline.held
