"""Service levels as a table, from answers as the API gives them."""

import io

import pytest

from derhead.client import level_rendering
from derhead.service_levels import LevelGroup, LevelScope, Objectives
from derhead.shapes import level_shape
from derproto.stdio.terminal import rendered
from tests.support.api.fake_headend import BATTERY, NOW, SILENT, SOLAR, FakeLevels


def group(scope: LevelScope, name: str | None, *assets: str) -> LevelGroup:
    levels, made = FakeLevels(), LevelGroup(scope, assets[0] if name else None, name)
    for asset_id in assets:
        made.add(asset_id, "agent-1", levels.sums(asset_id), levels.gaps(asset_id))
    return made


def shown(*groups: LevelGroup) -> list[str]:
    items = [level_shape(each, Objectives(), now_us=NOW) for each in groups]
    return rendered(io.StringIO(), *level_rendering.levels(items)).splitlines()


def test_a_line_for_each_group() -> None:
    lines = shown(
        group(LevelScope.FLEET, None, SOLAR, BATTERY),
        group(LevelScope.ASSET, "roof\x1b", SOLAR),
        group(LevelScope.ASSET, "pump", SILENT),
    )
    assert lines[0] == (
        "since 2026-01-31 11:43:20 (UTC); objectives: telemetry 99.9 %, availability 99.9 %,"
        " dispatch 99 %"
    )
    table = [line.split() for line in lines[2:]]
    assert table[0][:4] == ["OF", "NAME", "TELEMETRY", "AVAILABLE"]
    percent = ["99.900", "%", "99.900", "%", "98.500", "%"]
    assert table[1] == ["fleet", "-", *percent, "4.00", "2", "1.5s", "2", "150", "%"]
    assert table[2][:4] == ["asset", "roof\ufffd", "99.850", "%"]
    assert table[3] == ["asset", "pump", "-", "-", "-", "-", "0", "0.0s", "0", "-"]


def test_before_the_first_sample_there_is_nothing_to_show() -> None:
    assert shown(group(LevelScope.FLEET, None, SILENT))[0] == "no asset has sent a sample yet"
    assert shown() == ["there is no such group of assets"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100.000 %"), (0.9999999, "99.999 %"), (0.57, "57.000 %"), (0.0, "0.000 %")],
)
def test_only_all_of_it_is_a_hundred_percent(share: float, text: str) -> None:
    assert level_rendering.percent(share, 3) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2s"),
        (59.9, "59.9s"),
        (190.0, "3m10s"),
        (7500.0, "2h05m"),
        (3 * 86_400 + 4 * 3600.0, "3d04h"),
    ],
)
def test_lengths(seconds: float, text: str) -> None:
    assert level_rendering.length(seconds) == text
