"""A device described by a map: it conforms, and what is written to it ends by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from deragent.devices import (
    Address,
    Asset,
    AssetKind,
    DeviceError,
    Health,
    Limits,
    Nameplate,
    OperatingState,
)
from deragent.devices.testing import DeviceBench, check_conformance
from deragent.drivers.modbus.map_file import load_map
from deragent.drivers.modbus.mapped_device import MappedDevice
from deragent.drivers.modbus.mapped_options import MappedOptions
from deragent.modbus_tcp import ModbusLink, SharedLinks
from tests.support.assets import make_asset
from tests.support.modbus.mapped_battery import MAP, MappedBattery
from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.register_unit import INPUT, words_of, words_of_text

ASSET = make_asset("a", AssetKind.BATTERY, -2.0, 2.0, energy_mwh=4.0)
OPTIONS = MappedOptions(host=Address("battery", 502), map="acme", answer_s=0.5)
TROUBLES = (
    *("away", "mute", "closing", "garbled", "half", "foreign", "doubled", "busy", "strange"),
    *("short", "chatty"),
)


class Site:
    """A battery, its server, and the device in front of it."""

    def __init__(
        self,
        nursery: trio.Nursery,
        folder: Path,
        text: str = MAP,
        options: MappedOptions = OPTIONS,
        asset: Asset = ASSET,
    ) -> None:
        self.battery = MappedBattery()
        self.unit = self.battery.unit
        self.server = ModbusServer({1: self.unit}, nursery)
        link = ModbusLink("battery:502", self.server.dial)
        file = folder / "acme.yaml"
        file.write_text(text)
        self.device = MappedDevice(asset, options, load_map(file), link, SharedLinks())


@asynccontextmanager
async def site(folder: Path, **given: Any) -> AsyncIterator[Site]:
    """A device that runs."""
    async with trio.open_nursery() as nursery:
        made = Site(nursery, folder, **given)
        nursery.start_soon(made.device.run)
        yield made
        nursery.cancel_scope.cancel()


async def test_it_conforms(autojump_clock: MockClock, tmp_path: Path) -> None:
    @asynccontextmanager
    async def open_bench() -> AsyncIterator[DeviceBench]:
        async with trio.open_nursery() as nursery:
            made = Site(nursery, tmp_path)

            async def power_mw() -> float:
                return made.battery.setpoint_mw or 0.0

            async def setpoint_mw() -> float | None:
                return made.battery.setpoint_mw

            @asynccontextmanager
            async def at_local() -> AsyncIterator[None]:
                made.unit.put(0x18, [1], INPUT)
                yield
                made.unit.put(0x18, [0], INPUT)

            yield DeviceBench(
                asset=ASSET,
                device=made.device,
                power_mw=power_mw,
                setpoint_mw=setpoint_mw,
                troubles={mood: partial(made.server.in_mood, mood) for mood in TROUBLES},
                local=at_local,
                recovery_s=40.0,
                tolerance_mw=1e-6,
            )
            nursery.cancel_scope.cancel()

    await check_conformance(open_bench)


async def test_it_is_measured_with_one_read_and_says_what_it_is(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path) as here:
        expected = Nameplate("Acme", "B-3", "0042", "17", rated_mw=2.0)
        assert await here.device.identify() == expected
        assert here.device.reversion_s == 30
        here.unit.reads.clear()
        reading = await here.device.read()
        assert here.unit.reads == [(INPUT, 0x10, 12)]
        assert (reading.p_mw, reading.soc, reading.frequency_hz) == (0.0, 0.61, 50.0)
        assert reading.q_mvar == pytest.approx(-0.03)
        assert reading.voltage_v == pytest.approx(230.1)
        assert (reading.status, reading.health) == (OperatingState.RUNNING, Health.OK)


async def test_unknown_values_are_none_and_faults_have_words(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path) as here:
        here.unit.put(0x13, [0xFFFF], INPUT)
        here.unit.put(0x14, words_of("f", float("nan")), INPUT)
        here.unit.put(0x19, [0b1_0001, 7], INPUT)
        reading = await here.device.read()
        assert (reading.soc, reading.frequency_hz) == (None, None)
        assert reading.health is Health.DEGRADED
        assert reading.fault == "over temperature, fan stands still, fuse open"


async def test_a_heartbeat_that_stands_still_is_a_fault(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path) as here:
        await here.device.read()
        here.battery.beats = False
        await trio.sleep(19)
        assert (await here.device.read()).fault == ""
        await trio.sleep(2)
        assert (await here.device.read()).fault == "its heartbeat stands still for 21 s"
        here.battery.beats = True
        assert (await here.device.read()).fault == ""


async def test_a_command_is_renewed_while_it_holds_and_ends_when_the_agent_dies(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path) as here:
        assert await here.device.apply(1.25) == 1.25
        await trio.sleep(300)
        assert here.battery.setpoint_mw == 1.25
        await here.device.release()
        assert here.battery.setpoint_mw is None
        await here.device.apply(-0.5)
        await trio.sleep(15)
    # Nobody renews any more.
    assert here.battery.setpoint_mw == -0.5
    await trio.sleep(31)
    assert here.battery.setpoint_mw is None


async def test_a_command_is_not_renewed_against_someone_at_the_site(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path) as here:
        await here.device.apply(1.0)
        here.unit.put(0x18, [1], INPUT)
        assert (await here.device.read()).local
        await trio.sleep(31)
        assert here.battery.setpoint_mw is None


@pytest.mark.parametrize("key", ["manufacturer", "model", "serial"])
async def test_another_nameplate_is_neither_measured_nor_steered(
    autojump_clock: MockClock, tmp_path: Path, key: str
) -> None:
    changes: dict[str, Any] = {key: "other"}
    async with site(tmp_path, options=replace(OPTIONS, **changes)) as here:
        for call in (here.device.read, partial(here.device.apply, 1.0)):
            with pytest.raises(DeviceError, match=rf"its {key} is .*, and must be 'other'"):
                await call()
    assert here.unit.writes == []


async def test_a_device_of_another_product_gets_no_write(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path) as here:
        here.unit.put(110, [999])
        with pytest.raises(DeviceError, match="its product code at 110 is 999, and must be 731 or"):
            await here.device.apply(1.0)
    assert here.unit.writes == []


async def test_a_device_that_was_replaced_meanwhile_is_not_steered(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path, options=replace(OPTIONS, serial="0042")) as here:
        await here.device.apply(1.0)
        other = MappedBattery()
        other.unit.put(100, words_of_text("0007", 4))
        here.server.units = {1: other.unit}
        await here.server.cut()
        await trio.sleep(60)
        with pytest.raises(DeviceError, match="its serial is '0007', and must be '0042'"):
            await here.device.apply(1.5)
        assert other.unit.writes == []


async def test_without_a_watchdog_a_device_is_steered_only_if_that_is_allowed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    text = "\n".join(line for line in MAP.splitlines() if "watchdog" not in line)
    async with site(tmp_path, text=text) as here:
        with pytest.raises(DeviceError, match="no watchdog; allow_no_reversion: true steers it"):
            await here.device.apply(1.0)
        assert here.unit.writes == []
    options = replace(OPTIONS, allow_no_reversion=True)
    async with site(tmp_path, text=text, options=options) as here:
        here.battery._reverts_s = float("inf")
        assert await here.device.apply(1.0) == 1.0


async def test_a_device_that_takes_something_else_says_so(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path) as here:
        await here.device.read()
        act = here.unit.on_step
        here.unit.on_step = lambda: here.unit.put(200, words_of("i", -500_000, little=True))
        with pytest.raises(DeviceError, match=r"was told 1 MW, and took 0\.5 MW"):
            await here.device.apply(1.0)
        here.unit.on_step = lambda: here.unit.put(202, [0])
        with pytest.raises(DeviceError, match="was told 1 at 202, and has 0"):
            await here.device.apply(1.0)
        here.unit.on_step = act
        await here.device.apply(1.0)


async def test_a_setpoint_in_percent_is_one_of_the_rating(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    old = "type: int32, word_order: little, unit: W, sign: consumption}\n  before"
    new = 'type: int16, scale: 0.1, unit: "%", sign: generation}\n  before'
    assert old in MAP
    async with site(tmp_path, text=MAP.replace(old, new)) as here:
        assert await here.device.apply(0.5) == pytest.approx(0.5)
        assert here.unit.tables[3][200] == 250


async def test_registers_that_a_device_lacks_are_unknown_and_told_once(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(tmp_path) as here:
        del here.unit.tables[INPUT][0x16]
        with pytest.raises(DeviceError, match="has no such registers"):
            await here.device.read()
        for _ in range(3):
            reading = await here.device.read()
            assert (reading.voltage_v, reading.frequency_hz) == (None, 50.0)
    assert caplog.text.count("device lacks registers of its map") == 1


async def test_a_device_with_holes_between_its_registers_is_read_around_them(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with site(tmp_path) as here:
        del here.unit.tables[3][108]
        with pytest.raises(DeviceError, match="has no such registers"):
            await here.device.identify()
        assert (await here.device.identify()).serial == "0042"
        assert await here.device.apply(1.0) == 1.0


async def test_the_map_limits_setpoints_and_kinds(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    text = MAP.replace("limits: {min_mw: -2, max_mw: 2}", "limits: {min_mw: -1, max_mw: 1.5}")
    solar = make_asset("a", AssetKind.SOLAR, 0.0, 2.0)
    async with site(tmp_path, text=text + "  kinds: battery\n", asset=solar) as here:
        assert here.device.limits == Limits(-1.0, 1.5)
        with pytest.raises(DeviceError, match="no command of power for a solar"):
            await here.device.apply(1.0)
