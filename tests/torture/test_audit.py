"""The audit finds what it is there to find: each fault planted, one at a time."""

from dataclasses import replace

import pytest

from derproto.der.v1 import QualityBit
from tests.support.epoch import T0
from tests.torture import stores
from tests.torture.audit import (
    Gap,
    Stored,
    Struck,
    holes,
    missing,
    unexplained_holes,
    unforgivable,
    wrong_gaps,
    wrong_samples,
)
from tests.torture.meters import Account, Reading, frequency_of
from tests.torture.plan import Harm

STEP_US = 500_000
LIMIT_US = 1_250_000
READINGS = tuple(Reading(n, T0 + n * STEP_US, n / 7) for n in range(1, 41))
ACCOUNT = Account(READINGS, applied_mw=(), failures=())


def stored(reading: Reading) -> Stored:
    return Stored(
        ts_us=reading.at_us + 900,
        agent_id="agent",
        boot_id="1",
        seq=reading.number,
        p_mw=reading.p_mw,
        frequency_hz=frequency_of(reading.number),
        quality=0,
    )


ALL = [stored(reading) for reading in READINGS]
HOLED = ALL[:10] + ALL[20:]
"""Readings 11 to 20 are missing: a hole from the 10th to the 21st."""

HOLE = (ALL[9].ts_us, ALL[20].ts_us)
KILLED = Struck(Harm.KILL_AGENT, READINGS[19].at_us + 1, READINGS[19].at_us + 2)


def test_the_audit_accepts_whole_stores() -> None:
    assert wrong_samples(ACCOUNT, ALL) == []
    assert missing(ACCOUNT, ALL, READINGS[-1].at_us) == []
    assert list(holes(ALL, LIMIT_US)) == []
    assert wrong_gaps([], ALL, [], []) == []


def test_the_audit_counts_no_repeat_of_a_silent_device() -> None:
    repeat = replace(ALL[3], seq=99, quality=int(QualityBit.STALE_DEVICE))
    assert wrong_samples(ACCOUNT, [*ALL, repeat]) == []
    assert missing(ACCOUNT, [repeat], READINGS[-1].at_us) == list(READINGS)


@pytest.mark.parametrize(
    "fault",
    [
        ALL[5],
        replace(ALL[5], seq=99),
        replace(ALL[5], frequency_hz=frequency_of(77)),
        replace(ALL[5], frequency_hz=None),
    ],
)
def test_the_audit_finds_a_sample_too_many(fault: Stored) -> None:
    assert len(wrong_samples(ACCOUNT, [*ALL, fault])) == 1


@pytest.mark.parametrize(
    "change", [{"p_mw": 0.5}, {"p_mw": None}, {"ts_us": T0}, {"ts_us": T0 + 10**9}]
)
def test_the_audit_finds_a_changed_sample(change: dict[str, float | None]) -> None:
    wrong = replace(ALL[5], **change)  # type: ignore[arg-type]
    assert len(wrong_samples(ACCOUNT, [*ALL[:5], wrong, *ALL[6:]])) == 1


def test_the_audit_finds_a_missing_sample_unless_a_kill_took_it() -> None:
    missed = missing(ACCOUNT, HOLED, READINGS[-1].at_us)
    assert missed == list(READINGS[10:20])
    assert unforgivable(missed, []) == missed
    assert unforgivable(missed, [KILLED]) == []
    # A kill before, and one more than ten seconds after.
    before = replace(KILLED, from_us=T0, to_us=T0 + 1)
    late = replace(KILLED, from_us=READINGS[10].at_us + 10_000_001, to_us=READINGS[-1].at_us)
    assert unforgivable(missed, [before]) == missed
    assert unforgivable(missed, [late]) == missed[:1]


def hole_faults(*gaps: Gap) -> list[str]:
    return unexplained_holes(list(holes(HOLED, LIMIT_US)), gaps, READINGS[10:20], [KILLED])


def test_the_audit_wants_each_hole_whole_and_under_its_cause() -> None:
    entry = Gap(*HOLE, "agent_restart", backfilled=False)
    assert hole_faults(entry) == []
    assert hole_faults(replace(entry, start_us=HOLE[0] - 5, end_us=HOLE[1] + 5)) == []
    half_us = HOLE[0] + 2 * STEP_US
    assert hole_faults(replace(entry, end_us=half_us), replace(entry, start_us=half_us)) == []
    reported = replace(entry, start_us=HOLE[0] + STEP_US, end_us=HOLE[1] - STEP_US)
    assert hole_faults(reported) == []
    assert hole_faults(replace(entry, start_us=ALL[4].ts_us, filled_us=HOLE[0])) == []
    assert len(hole_faults()) == 1
    assert len(hole_faults(replace(entry, filled_us=half_us))) == 1
    assert len(hole_faults(replace(entry, backfilled=True))) == 1
    assert len(hole_faults(replace(entry, end_us=half_us))) == 1
    assert len(hole_faults(replace(entry, cause="link"))) == 1


def test_the_audit_counts_no_hole_in_which_nobody_measured() -> None:
    assert unexplained_holes(list(holes(HOLED, LIMIT_US)), [], [], []) == []


def test_the_audit_wants_a_cause_and_an_end_for_each_gap() -> None:
    entry = Gap(*HOLE, "agent_restart", backfilled=False)
    assert wrong_gaps([entry], HOLED, READINGS[10:20], [KILLED]) == []
    assert wrong_gaps([replace(entry, backfilled=True)], ALL, [], [KILLED]) == []
    longer = replace(entry, start_us=ALL[4].ts_us)
    assert len(wrong_gaps([longer], HOLED, READINGS[10:20], [KILLED])) == 1
    assert wrong_gaps([replace(longer, filled_us=HOLE[0])], HOLED, READINGS[10:20], [KILLED]) == []
    assert len(wrong_gaps([entry], ALL, [], [KILLED])) == 1
    assert len(wrong_gaps([replace(entry, end_us=None)], HOLED, READINGS[10:20], [KILLED])) == 1
    assert len(wrong_gaps([entry], HOLED, READINGS[10:20], [])) == 1
    assert len(wrong_gaps([replace(entry, cause="link")], HOLED, READINGS[10:20], [KILLED])) == 1
    assert (
        len(wrong_gaps([replace(entry, cause="overflow")], HOLED, READINGS[10:20], [KILLED])) == 1
    )
    # A piece of a longer gap goes back to what began it.
    cut = replace(KILLED, harm=Harm.CUT, from_us=T0 - 10**8, to_us=T0 - 10**8)
    rest = Gap(*HOLE, "link", backfilled=True)
    before = replace(rest, start_us=T0 - 10**8, end_us=HOLE[0])
    assert len(wrong_gaps([rest], ALL, [], [cut])) == 1
    assert wrong_gaps([rest, before], ALL, [], [cut]) == []
    assert len(wrong_gaps([rest, replace(before, cause="headend_restart")], ALL, [], [cut])) == 2
    # So does one that the agent's restart parts from the piece before.
    restart = Gap(*HOLE, "agent_restart", backfilled=False)
    after = Gap(HOLE[1], HOLE[1] + 3 * STEP_US, "link", backfilled=True)
    assert len(wrong_gaps([restart, after], HOLED, READINGS[10:20], [KILLED, cut])) == 1
    assert wrong_gaps([before, restart, after], HOLED, READINGS[10:20], [KILLED, cut]) == []
    # Where no sample was taken, a device or a clock may have been to blame; else it was not.
    assert wrong_gaps([replace(entry, cause="device")], HOLED, [], []) == []
    assert len(wrong_gaps([replace(entry, cause="device")], HOLED, READINGS[10:20], [])) == 1
    assert len(wrong_gaps([replace(entry, cause="link")], HOLED, [], [])) == 1
    long_ago = replace(KILLED, from_us=T0 - 10**8, to_us=T0 - 10**8)
    assert len(wrong_gaps([entry], HOLED, READINGS[10:20], [long_ago])) == 1


def test_the_audit_finds_stores_that_differ() -> None:
    rows = [{"id": "a", "n": 1, "x": 0.1}, {"id": "b", "n": 2, "x": None}]
    assert stores.differences("t", rows, [dict(row) for row in reversed(rows)]) == []
    assert stores.differences("t", rows, [{**rows[0], "n": 1.0}, rows[1]]) == []
    assert len(stores.differences("t", rows, [{**rows[0], "x": 0.2}, rows[1]])) == 2
    assert len(stores.differences("t", rows, rows[:1])) == 2
    assert len(stores.differences("t", rows, [*rows, rows[1]])) == 1
