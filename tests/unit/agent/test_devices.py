"""Devices behind their port, in virtual time."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from deragent.devices import Device, DeviceConfigError, open_device
from deragent.drivers.simulation import SimulatedDevice
from deragent.drivers.simulation.device_record import RecordedDevice
from deragent.drivers.simulation.replay import available_mw, irradiance_at, parse_day
from deragent.drivers.simulation.simulated_options import SimulatedOptions
from derproto.base.runtime import RunBlocking, Runtime, virtual_runtime
from derproto.base.timefmt import parse_us
from derproto.configuration.fleet import Asset, AssetKind, DeviceSpec, Limits
from derproto.der.v1 import Health, OperatingState
from tests.support.assets import make_asset, numbered_id

NOON_US = parse_us("2026-03-01T19:00:00Z")


def asset(kind: AssetKind, driver: str = "simulated", **options: object) -> Asset:
    energy_mwh = 4.0 if kind is AssetKind.BATTERY else None
    device = DeviceSpec(driver, options)
    return make_asset(numbered_id(1), kind, name="under-test", energy_mwh=energy_mwh, device=device)


async def powers(device: Device, count: int, every_s: float = 4.0) -> list[float | None]:
    """So many readings of power."""
    read = []
    for _ in range(count):
        read.append((await device.read()).p_mw)
        await trio.sleep(every_s)
    return read


@pytest.mark.parametrize("kind", AssetKind)
async def test_every_kind_yields_plausible_readings(
    autojump_clock: MockClock, kind: AssetKind
) -> None:
    device = await open_device(asset(kind), virtual_runtime(NOON_US))
    assert device.limits == Limits(-2.0, 2.0)
    for _ in range(50):
        reading = await device.read()
        assert reading.p_mw is not None
        assert abs(reading.p_mw) <= 2.0
        assert reading.q_mvar is not None
        assert abs(reading.q_mvar) <= 0.22 * abs(reading.p_mw) + 1e-9
        assert reading.voltage_v == pytest.approx(277, rel=0.011)
        assert reading.frequency_hz == pytest.approx(60, abs=0.021)
        assert reading.status is not OperatingState.UNSPECIFIED
        assert reading.health is Health.OK
        await trio.sleep(60)


@pytest.mark.parametrize("kind", AssetKind)
async def test_the_same_seed_gives_the_same_day(autojump_clock: MockClock, kind: AssetKind) -> None:
    async def day(**options: int) -> list[float | None]:
        device = await open_device(asset(kind, "simulated", **options), virtual_runtime(NOON_US))
        return await powers(device, 40, every_s=300)

    assert await day() == await day()
    assert await day(seed=5) == await day(seed=5)


async def test_another_seed_gives_another_day(autojump_clock: MockClock) -> None:
    first = await open_device(asset(AssetKind.LOAD, seed=1), virtual_runtime(NOON_US))
    second = await open_device(asset(AssetKind.LOAD, seed=2), virtual_runtime(NOON_US))
    assert await powers(first, 5) != await powers(second, 5)


async def test_a_battery_follows_ramps_and_is_released(autojump_clock: MockClock) -> None:
    device = await open_device(asset(AssetKind.BATTERY, soc=0.5), virtual_runtime(NOON_US))
    assert await device.apply(1.0) == 1.0
    assert (await device.read()).p_mw == 1.0
    await trio.sleep(3600)
    reading = await device.read()
    # One hour at 1 MW out of 4 MWh, and half of the round trip's loss.
    assert reading.soc == pytest.approx(0.5 - 0.25 / math.sqrt(0.88))
    await device.apply(-1.0, 0.1)
    await trio.sleep(15)
    assert (await device.read()).p_mw == pytest.approx(-0.5)
    await trio.sleep(15)
    assert (await device.read()).p_mw == -1.0
    await device.release()
    assert (await device.read()).p_mw == 0.0


async def test_an_unpleasant_device_is_late_slow_and_coarse(autojump_clock: MockClock) -> None:
    battery = asset(AssetKind.BATTERY, soc=0.5, dead_time_s=3, ramp_mw_per_s=0.1, resolution_mw=0.5)
    device = await open_device(battery, virtual_runtime(NOON_US))
    assert await device.apply(1.2) == 1.0
    assert await powers(device, 6, every_s=2) == pytest.approx([0, 0, 0.1, 0.3, 0.5, 0.7])
    # The energy of a ramp, not of its end.
    await trio.sleep(3600)
    reading = await device.read()
    assert reading.soc == pytest.approx(0.5 - 0.25 / math.sqrt(0.88), abs=2e-3)


async def test_a_minimum_above_the_rating_is_refused(autojump_clock: MockClock) -> None:
    machine = asset(AssetKind.GENERATOR, minimum_mw=3)
    with pytest.raises(DeviceConfigError, match=r"device\.minimum_mw: write at most rated_mw, 2"):
        await open_device(machine, virtual_runtime(NOON_US))


async def test_a_generator_starts_right_after_the_dead_time(autojump_clock: MockClock) -> None:
    machine = asset(AssetKind.GENERATOR, dead_time_s=5, start_s=10, minimum_mw=0.5)
    device = await open_device(machine, virtual_runtime(NOON_US))
    await device.apply(0.2)
    await trio.sleep(16)
    # 5 s, 10 s, and a second of the usual ramp.
    assert (await device.read()).p_mw == pytest.approx(2.0 / 30)
    await trio.sleep(60)
    assert (await device.read()).p_mw == 0.5


async def test_replay_plays_the_real_day_and_is_curtailed(autojump_clock: MockClock) -> None:
    device = await open_device(asset(AssetKind.SOLAR, "replay"), virtual_runtime(NOON_US))
    # 579.1 W/m2 stands in the file at 19:00.
    noon = (await device.read()).p_mw
    assert noon is not None
    assert noon == pytest.approx(2.0 * 0.5791, abs=0.02)
    await device.apply(0.3)
    reading = await device.read()
    assert (reading.p_mw, reading.status) == (0.3, OperatingState.CURTAILED)
    await device.apply(0.0, 0.01)
    await trio.sleep(10)
    assert (await device.read()).p_mw == pytest.approx(0.2)
    await device.release()
    await trio.sleep(86_400 - 10)
    assert (await device.read()).p_mw == pytest.approx(noon)
    await trio.sleep(12 * 3600)
    assert (await device.read()).p_mw == 0.0


async def test_replay_of_an_own_file_with_a_hole(autojump_clock: MockClock, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text(
        "time_utc,ghi_w_m2\n2020-06-01T19:00Z,100\n2020-06-01T19:01Z,200\n2020-06-01T19:02Z,\n"
    )
    spec = asset(AssetKind.SOLAR, "replay", file=str(file))
    device = await open_device(spec, virtual_runtime(NOON_US))
    assert await powers(device, 4, every_s=30) == [
        pytest.approx(0.2),
        pytest.approx(0.3),
        pytest.approx(0.4),
        None,
    ]
    reading = await device.read()
    assert (reading.p_mw, reading.q_mvar) == (None, None)
    assert reading.voltage_v is not None


def test_a_day_is_read_by_its_minutes() -> None:
    day = parse_day(["time_utc,ghi_w_m2,x", "2020-01-01T00:01Z,10,", "2020-01-01T23:59Z,nan,"])
    assert day[:3] == (None, 10.0, None)
    assert day[1439] is None
    assert irradiance_at(day, 60) == 10.0
    assert irradiance_at(day, 61) is None
    assert irradiance_at(day, 59) is None


@pytest.mark.parametrize(
    ("w_m2", "mw"), [(-3, 0.0), (0, 0.0), (500, 1.0), (1000, 2.0), (1400, 2.0)]
)
def test_power_stays_within_the_rating(w_m2: float, mw: float) -> None:
    assert available_mw(2.0, w_m2) == mw


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["time,ghi_w_m2"], "line 1: no column 'time_utc'"),
        (["time_utc,ghi_w_m2", "2020-01-01T00:00,5"], "line 2: .* no time zone"),
        (["time_utc,ghi_w_m2", "2020-01-01T00:00Z,five"], "line 2: could not convert"),
        (["time_utc,ghi_w_m2", "2020-01-01T00:00Z,5", "x"], "line 3"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(lines: list[str], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_day(lines)


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        (asset(AssetKind.SOLAR, "modem"), "no driver 'modem'; there are: "),
        (asset(AssetKind.SOLAR, "replay", file="/nowhere.csv"), "device.file: /nowhere.csv"),
    ],
)
async def test_a_device_that_cannot_be_opened_says_which_key(
    autojump_clock: MockClock, spec: Asset, wrong: str
) -> None:
    with pytest.raises(DeviceConfigError, match=wrong):
        await open_device(spec, virtual_runtime(NOON_US))


async def test_a_battery_without_energy_is_refused(autojump_clock: MockClock) -> None:
    runtime: Runtime = virtual_runtime(NOON_US)
    battery = asset(AssetKind.BATTERY)
    with pytest.raises(DeviceConfigError, match="energy_mwh"):
        await open_device(replace(battery, energy_mwh=None), runtime)


async def test_a_device_with_a_record_notes_what_it_measured_and_what_it_was_told(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "record.jsonl"
    device = await open_device(asset(AssetKind.BATTERY, record=str(path)), virtual_runtime(NOON_US))
    await trio.sleep(1.5)
    assert await device.apply(0.5) == 0.5
    reading = await device.read()
    await device.release()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(each["n"], each["did"]) for each in lines] == [
        *((1, "opened"), (2, "told"), (3, "read"), (4, "released"))
    ]
    assert {each["asset_id"] for each in lines} == {numbered_id(1)}
    assert parse_us(lines[1]["ts"]) == NOON_US + 1_500_000
    assert lines[1]["mw"] == 0.5
    assert (lines[2]["p_mw"], lines[2]["frequency_hz"]) == (reading.p_mw, reading.frequency_hz)


async def test_a_record_that_cannot_be_written_is_refused_at_first_and_missed_later(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    under_test = asset(AssetKind.BATTERY, record=str(tmp_path / "folder" / "record.jsonl"))
    with pytest.raises(DeviceConfigError, match=r"device\.record: .*No such file"):
        await open_device(under_test, virtual_runtime(NOON_US))
    (tmp_path / "folder").mkdir()
    device = await open_device(under_test, virtual_runtime(NOON_US))
    shutil.rmtree(tmp_path / "folder")
    await device.read()
    await device.read()
    assert caplog.text.count("record of the device has holes") == 1
    (tmp_path / "folder").mkdir()
    await device.read()
    assert json.loads((tmp_path / "folder" / "record.jsonl").read_text())["n"] == 4


async def test_lines_of_a_record_keep_their_order_when_calls_meet(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "record.jsonl"
    runtime = virtual_runtime(NOON_US)
    slow = iter((0.5, 0.0, 0.0))

    async def write_slowly(work: Callable[[], object], **_: object) -> object:
        await trio.sleep(next(slow))
        return work()

    slowly = replace(runtime, run_blocking=cast(RunBlocking, write_slowly))
    battery = asset(AssetKind.BATTERY)
    simulated = SimulatedDevice(battery, SimulatedOptions(), runtime)
    device = RecordedDevice(battery, simulated, path, slowly)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(device.read)
        nursery.start_soon(device.release)
        nursery.start_soon(device.read)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [each["n"] for each in lines] == [1, 2, 3]
