"""Gap reports of agents: read and checked."""

from dataclasses import replace

import pytest

from derhead.gaps import HoleCause, Origin, ReportedGap, read_gap_report
from derhead.telemetry import MAX_AHEAD_US
from derproto.der.v1 import GapCause, GapReport

NOW_US = 1_000_000
REPORT = GapReport(
    boot_id=2**64 - 1,
    number=3,
    revision=2,
    asset_index=0,
    cause=GapCause.OVERFLOW,
    start_us=5,
    end_us=9,
    rows=2,
)


def test_a_gap_report_is_read() -> None:
    told = ReportedGap(
        "x/18446744073709551615/3", Origin("x", 2**64 - 1), HoleCause.OVERFLOW, 5, 9, 2, revision=2
    )
    assert read_gap_report(REPORT, "x", NOW_US) == told
    assert read_gap_report(replace(REPORT, end_us=0), "x", NOW_US) == replace(told, end_us=None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cause": GapCause.UNSPECIFIED}, "cause"),
        ({"cause": 99}, "cause"),
        ({"boot_id": 0}, "boot_id"),
        ({"number": 0}, "number"),
        ({"number": 2**63}, "number"),
        ({"start_us": -1}, "start_us"),
        ({"start_us": 253_402_300_800_000_000, "end_us": 0}, "start_us"),
        ({"start_us": NOW_US + MAX_AHEAD_US + 1, "end_us": 0}, "start_us"),
        ({"end_us": 4}, "end_us"),
        ({"end_us": NOW_US + MAX_AHEAD_US + 1}, "end_us"),
        ({"end_us": 2**62}, "end_us"),
    ],
)
def test_the_wrong_field_of_a_gap_report_is_named(changes: dict[str, int], field: str) -> None:
    found = read_gap_report(replace(REPORT, **changes), "x", NOW_US)  # type: ignore[arg-type]
    assert isinstance(found, str)
    assert found.startswith(f"gap_report.{field}: ")
