"""The judgement on a drill finds what it is there to find: each breach planted, one at a time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from derproto.configuration.fleet import DeviceSpec
from launcher.drills.fault_kinds import FaultKind
from launcher.drills.promise import Promise
from launcher.judgement.case_book import MOST_BREACHES, PromiseJudgement
from launcher.judgement.drill_verdict import DrillTitle, DrillVerdict, draw_verdict
from launcher.judgement.evidence import (
    DeviceNote,
    Evidence,
    KeptSample,
    LateSpan,
    Look,
    ProcessEnd,
    SessionChange,
    ShownGap,
    StruckFault,
)
from tests.support.epoch import S
from tests.unit.launcher.judgement.played_drill import (
    BATTERY,
    CLOSED_S,
    FOUND_S,
    GENERATOR,
    LENGTH_S,
    LOST_S,
    NORTH,
    RETREAT_S,
    RETURN_S,
    SOUTH,
    at,
    fault,
    play,
    reading,
    told,
)

TITLE = DrillTitle("rough", "a plan", 7, 600.0, "0.1.0")


def judge(drill: Evidence) -> DrillVerdict:
    return draw_verdict(TITLE, drill)


def of(verdict: DrillVerdict, promise: Promise) -> PromiseJudgement:
    (found,) = (each for each in verdict.judgements if each.promise is promise)
    return found


def broken(drill: Evidence) -> list[Promise]:
    return [each.promise for each in judge(drill).judgements if each.kept is False]


# --- plants --------------------------------------------------------------------------


def with_notes(drill: Evidence, asset_id: str, notes: Sequence[DeviceNote]) -> None:
    drill.notes[asset_id] = sorted(notes, key=lambda note: note.at_us)


def without(drill: Evidence, asset_id: str, gone: Callable[[DeviceNote], bool]) -> None:
    with_notes(drill, asset_id, [each for each in drill.notes[asset_id] if not gone(each)])


def add(drill: Evidence, asset_id: str, *notes: DeviceNote) -> None:
    with_notes(drill, asset_id, [*drill.notes[asset_id], *notes])


def move(drill: Evidence, asset_id: str, from_s: float, to_s: float) -> None:
    moved = [
        replace(each, at_us=at(to_s)) if each.at_us == at(from_s) and each.did != "read" else each
        for each in drill.notes[asset_id]
    ]
    with_notes(drill, asset_id, moved)


def change_order(drill: Evidence, number: int, **values: Any) -> None:
    before = drill.orders[number]
    drill.orders[number] = after = replace(before, **values)
    drill.events = [
        replace(each, state=after.state or "")
        if (each.dispatch_id, each.state) == (before.dispatch_id, before.state)
        else each
        for each in drill.events
    ]


def stale_telemetry(drill: Evidence) -> None:
    drill.looks[GENERATOR] = [
        Look(look.at_us, min(look.newest_us or 0, at(100))) if look.at_us < at(112) else look
        for look in drill.looks[GENERATOR]
    ]


def late_dispatch(drill: Evidence) -> None:
    move(drill, GENERATOR, 65.1, 67.2)


def untold_dispatch(drill: Evidence) -> None:
    without(drill, GENERATOR, lambda each: at(64) < each.at_us < at(86) and each.did != "read")
    change_order(drill, 2, state="cancelled")


def refused_dispatch(drill: Evidence) -> None:
    untold_dispatch(drill)
    change_order(drill, 2, answered_us=None, refused="409 too many", state=None)


def never_back(drill: Evidence) -> None:
    drill.looks[BATTERY] = [
        replace(look, newest_us=at(LOST_S - 4)) if look.at_us > at(LOST_S) else look
        for look in drill.looks[BATTERY]
    ]
    drill.sessions[NORTH] = drill.sessions[NORTH][:2]


def lost_sample(drill: Evidence) -> None:
    drill.kept[BATTERY] = [each for each in drill.kept[BATTERY] if each.at_us != at(240)]


def doubled_sample(drill: Evidence) -> None:
    drill.kept[BATTERY] = [*drill.kept[BATTERY], drill.kept[BATTERY][50]]


def changed_sample(drill: Evidence) -> None:
    kept = [*drill.kept[GENERATOR]]
    kept[50] = replace(kept[50], p_mw=9.0)
    drill.kept[GENERATOR] = kept


def invented_sample(drill: Evidence) -> None:
    drill.kept[GENERATOR] = [*drill.kept[GENERATOR], KeptSample(at(241), 0.25, 61.0)]


def lost_order(drill: Evidence) -> None:
    change_order(drill, 3, state=None)


def open_order(drill: Evidence) -> None:
    change_order(drill, 3, state="started")


def doubled_order(drill: Evidence) -> None:
    change_order(drill, 3, ids=("2", "2b"))


def order_that_lies(drill: Evidence) -> None:
    without(drill, GENERATOR, lambda each: each.did == "told" and each.mw == 1.003)


def failed_order(drill: Evidence) -> None:
    change_order(drill, 3, state="failed")


def told_twice(drill: Evidence) -> None:
    add(drill, GENERATOR, told(70, 1.001))


def told_after_its_window(drill: Evidence) -> None:
    add(drill, GENERATOR, told(90, 1.001), DeviceNote(at(91), "released"))


def followed_beyond_its_window(drill: Evidence) -> None:
    move(drill, GENERATOR, 85, 89)


def no_retreat(drill: Evidence) -> None:
    without(drill, BATTERY, lambda each: each.did == "told" and each.at_us == at(RETREAT_S))


def late_retreat(drill: Evidence) -> None:
    move(drill, BATTERY, RETREAT_S, LOST_S + 23)


def early_retreat(drill: Evidence) -> None:
    move(drill, BATTERY, RETREAT_S, LOST_S + 3)


def retreat_to_another_power(drill: Evidence) -> None:
    without(drill, BATTERY, lambda each: each.did == "told" and each.at_us == at(RETREAT_S))
    add(drill, BATTERY, told(RETREAT_S, 0.5))


def retreat_in_word_only(drill: Evidence) -> None:
    notes = [
        replace(each, mw=1.5) if each.did == "read" and each.at_us == at(280) else each
        for each in drill.notes[BATTERY]
    ]
    with_notes(drill, BATTERY, notes)
    drill.kept[BATTERY] = [
        replace(each, p_mw=1.5) if each.at_us == at(280) else each for each in drill.kept[BATTERY]
    ]


def no_return(drill: Evidence) -> None:
    without(drill, BATTERY, lambda each: each.did == "told" and each.at_us == at(RETURN_S))


def retreat_without_cause(drill: Evidence) -> None:
    move(drill, GENERATOR, 445, 435)


def lost_event(drill: Evidence) -> None:
    drill.events = [each for each in drill.events if each.state != "completed" or each.id % 2]


def doubled_event(drill: Evidence) -> None:
    drill.events.insert(4, drill.events[3])


def stream_that_did_not_resume(drill: Evidence) -> None:
    drill.events_missed = 1


def process_that_ended(drill: Evidence) -> None:
    drill.ends.append(ProcessEnd(at(333), SOUTH, "exited with code 1"))


def headend_that_ended(drill: Evidence) -> None:
    drill.ends.append(ProcessEnd(at(333), "headend", "was ended by SIGSEGV"))


def gap_without_cause(drill: Evidence) -> None:
    drill.gaps[GENERATOR] = [ShownGap(at(100), at(120), "link", True)]


def gap_with_the_wrong_cause(drill: Evidence) -> None:
    drill.gaps[BATTERY] = [ShownGap(at(LOST_S), at(RETURN_S), "agent_restart", True)]


def gap_without_end(drill: Evidence) -> None:
    drill.gaps[BATTERY] = [ShownGap(at(LOST_S), None, "link", False)]


PLANTS = {
    Promise.TELEMETRY: [stale_telemetry],
    Promise.DISPATCH: [late_dispatch, untold_dispatch, refused_dispatch],
    Promise.BACK: [never_back],
    Promise.SAMPLES: [lost_sample, doubled_sample, changed_sample, invented_sample],
    Promise.ORDERS: [lost_order, open_order, doubled_order, order_that_lies, failed_order],
    Promise.ONCE: [told_twice],
    Promise.WINDOWS: [told_after_its_window, followed_beyond_its_window],
    Promise.FAILSAFE: [
        *(no_retreat, late_retreat, early_retreat, retreat_to_another_power),
        *(retreat_in_word_only, no_return, retreat_without_cause),
    ],
    Promise.EVENTS: [lost_event, doubled_event, stream_that_did_not_resume],
    Promise.PROCESSES: [process_that_ended, headend_that_ended],
    Promise.GAPS: [gap_without_cause, gap_with_the_wrong_cause, gap_without_end],
}

ALSO: dict[Callable[[Evidence], None], set[Promise]] = {
    order_that_lies: {Promise.DISPATCH},
    never_back: {Promise.TELEMETRY},
    no_retreat: {Promise.ONCE},
}
"""Promises that a plant breaks beside its own."""


def test_every_promise_has_a_plant() -> None:
    assert set(PLANTS) == set(Promise)


def test_a_drill_that_went_well_keeps_every_promise() -> None:
    verdict = judge(play())
    assert verdict.kept
    assert [each.promise for each in verdict.judgements] == list(Promise)
    assert {each.promise for each in verdict.judgements if each.kept is None} == {Promise.GAPS}
    back, telemetry = of(verdict, Promise.BACK), of(verdict, Promise.TELEMETRY)
    assert (back.worst_s, back.worst_under) == (RETURN_S - FOUND_S, "blackhole of north")
    assert back.worst_at_us == at(RETURN_S)
    # The path of the battery counts again ten seconds after its session began.
    assert telemetry.cases == 2 * CLOSED_S - (RETURN_S + 9 - LOST_S)
    retreat = of(verdict, Promise.FAILSAFE)
    assert retreat.worst_s == RETREAT_S - LOST_S
    assert of(verdict, Promise.DISPATCH).cases == 11


@pytest.mark.parametrize(
    ("promise", "plant"),
    [(promise, plant) for promise, plants in PLANTS.items() for plant in plants],
)
def test_a_breach_is_found_and_named(promise: Promise, plant: Callable[[Evidence], None]) -> None:
    drill = play()
    plant(drill)
    verdict = judge(drill)
    assert not verdict.kept
    assert {*broken(drill)} == {promise, *ALSO.get(plant, ())}
    (first, *_) = of(verdict, promise).breaches
    assert first.what


# --- what explains what -----------------------------------------------------------------


def test_a_kill_costs_ten_seconds_of_readings_and_no_more() -> None:
    def lost_from(second: int) -> list[Promise]:
        drill = play()
        drill.faults.append(fault(FaultKind.KILL, 500, 500, NORTH))
        drill.ends.append(ProcessEnd(at(500.1), NORTH, "was ended by SIGKILL"))
        gone = range(second, 500)
        drill.kept[BATTERY] = [
            each for each in drill.kept[BATTERY] if (each.at_us - at(0)) // S not in gone
        ]
        drill.gaps[BATTERY] = [ShownGap(at(second - 4), at(500), "agent_restart", False)]
        return broken(drill)

    assert lost_from(490) == []
    assert lost_from(486) == [Promise.SAMPLES]


def test_a_kill_explains_the_end_of_its_process_only() -> None:
    drill = play()
    drill.faults.append(fault(FaultKind.KILL, 500, 502, headend=True))
    drill.ends.append(ProcessEnd(at(500.1), "headend", "was ended by SIGKILL"))
    assert Promise.PROCESSES not in broken(drill)
    drill.ends.append(ProcessEnd(at(530), "headend", "exited with code 1"))
    assert Promise.PROCESSES in broken(drill)


def test_a_hole_must_be_in_the_ledger() -> None:
    drill = play()
    drill.faults.append(fault(FaultKind.KILL, 500, 500, NORTH))
    drill.kept[BATTERY] = [
        each for each in drill.kept[BATTERY] if not at(490) <= each.at_us < at(500)
    ]
    assert broken(drill) == [Promise.GAPS]
    drill.gaps[BATTERY] = [ShownGap(at(488), at(500), "agent_restart", False)]
    assert broken(drill) == []
    drill.gaps[BATTERY] = [ShownGap(at(488), at(500), "agent_restart", True)]
    assert broken(drill) == [Promise.GAPS]


@pytest.mark.parametrize(
    "cause",
    [
        fault(FaultKind.CUT, 95, 101, SOUTH),
        fault(FaultKind.HALF_OPEN, 80, 80, SOUTH),
        fault(FaultKind.FREEZE, 90, 110, headend=True),
    ],
    ids=str,
)
def test_nothing_is_promised_under_a_fault(cause: StruckFault) -> None:
    drill = play()
    stale_telemetry(drill)
    assert broken(drill) == [Promise.TELEMETRY]
    drill.faults.append(cause)
    assert broken(drill) == []


def test_after_a_fault_a_session_that_lasts_must_carry_telemetry() -> None:
    drill = play()
    drill.faults.append(fault(FaultKind.DELAY, 80, 81, SOUTH))
    stale_telemetry(drill)
    assert broken(drill) == [Promise.TELEMETRY]
    drill.sessions[SOUTH] += [SessionChange(at(82), False), SessionChange(at(113), True)]
    assert broken(drill) == []


def test_a_slow_machine_is_judged_by_nothing_that_is_timed() -> None:
    for plant in (stale_telemetry, late_dispatch, late_retreat):
        drill = play()
        plant(drill)
        drill.late = [LateSpan(at(64), at(112)), LateSpan(at(LOST_S), at(LOST_S + 30))]
        verdict = judge(drill)
        assert verdict.kept, plant
        assert verdict.late_s == 78


def test_a_fault_that_could_not_strike_explains_nothing() -> None:
    drill = play()
    drill.faults.append(replace(fault(FaultKind.CUT, 95, 101, SOUTH), skipped="no permission"))
    stale_telemetry(drill)
    assert broken(drill) == [Promise.TELEMETRY]


def test_a_drill_without_its_observers_says_nothing() -> None:
    drill = play()
    drill.notes_missing = 3
    verdict = judge(drill)
    assert not verdict.kept
    assert verdict.blind == "3 lines of the devices' records did not arrive"
    drill = play()
    drill.notes[BATTERY] = []
    assert "battery has no record" in (judge(drill).blind or "")


def test_a_drill_without_a_case_of_what_it_was_to_prove_has_failed() -> None:
    for promise, kept in ((Promise.GAPS, False), (Promise.FAILSAFE, True)):
        verdict = draw_verdict(replace(TITLE, proves=(promise,)), play())
        assert verdict.kept is kept
        assert (verdict.blind or "").startswith("there was no case of gaps" if not kept else "")


def test_breaches_beyond_the_bound_are_counted() -> None:
    drill = play()
    drill.kept[GENERATOR] = []
    samples = of(judge(drill), Promise.SAMPLES)
    assert len(samples.breaches) == MOST_BREACHES
    assert samples.broken > MOST_BREACHES


def test_the_verdict_as_json_names_promise_case_time_and_fault() -> None:
    drill = play()
    late_retreat(drill)
    told_json = judge(drill).to_json()
    assert (told_json["plan"], told_json["seed"], told_json["kept"]) == ("rough", 7, False)
    promises = told_json["promises"]
    assert isinstance(promises, list)
    (failsafe,) = (each for each in promises if each["promise"] == "failsafe")
    assert failsafe["kept"] is False
    assert failsafe["breaches"] == [
        {
            "at": "2027-01-15T08:03:42Z",
            "what": "battery did not retreat within 22 s of silence",
            "under": "blackhole of north",
        }
    ]
    faults = told_json["faults"]
    assert isinstance(faults, list)
    assert faults[0]["kind"] == "blackhole"


def test_an_order_without_an_answer_promises_nothing() -> None:
    drill = play()
    change_order(drill, 3, answered_us=None, dispatch_id=None, end_us=None, state=None)
    retreat_without_cause(drill)
    assert broken(drill) == [Promise.FAILSAFE]
    drill = play()
    change_order(drill, 8, answered_us=None, dispatch_id=None, end_us=None, state=None)
    retreat_without_cause(drill)
    assert broken(drill) == []


@pytest.mark.parametrize(
    ("options", "patient"),
    [
        ({"dead_time_s": 50}, False),
        ({"dead_time_s": 50, "open_loop_response_s": 6}, True),
        ({"ramp_mw_per_s": 0.02}, True),
    ],
)
def test_a_simulated_device_has_the_time_that_its_options_take(
    options: dict[str, object], patient: bool
) -> None:
    drill = play()
    battery = drill.assets[BATTERY]
    slow = replace(battery, device=DeviceSpec("simulated", options))
    drill.assets = {**drill.assets, BATTERY: slow}
    # A minute after the command.
    retreat_in_word_only(drill)
    assert broken(drill) == ([] if patient else [Promise.FAILSAFE])


def test_a_reading_after_the_drill_is_not_missed() -> None:
    drill = play()
    add(drill, GENERATOR, reading(LENGTH_S + 31))
    assert broken(drill) == []


def test_a_device_that_repeats_its_noise_in_its_next_life_is_no_sample_twice() -> None:
    drill = play()
    again = replace(reading(9), at_us=at(400.5))
    first = replace(reading(9), at_us=at(9))
    add(drill, GENERATOR, first, again)
    drill.kept[GENERATOR] = [
        *drill.kept[GENERATOR],
        *(KeptSample(note.at_us + 900, note.mw, note.frequency_hz) for note in (first, again)),
    ]
    assert broken(drill) == []


def test_the_power_of_a_silence_is_judged_once_the_device_has_had_time() -> None:
    drill = play()
    soon = replace(reading(RETREAT_S + 0.9, 1.5))
    add(drill, BATTERY, soon)
    drill.kept[BATTERY] = [*drill.kept[BATTERY], KeptSample(soon.at_us, 1.5, soon.frequency_hz)]
    assert broken(drill) == []
