"""A SunSpec device over Modbus: it conforms, and what it writes ends by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from deragent.devices import Address, Asset, AssetKind, DeviceError, Limits, Nameplate
from deragent.devices.testing import DeviceBench, check_conformance
from deragent.drivers.sunspec.sunspec_device import SunSpecDevice
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.modbus_tcp import ModbusLink, SharedLinks
from tests.support.assets import make_asset
from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.sunspec_unit import BATTERY, SunSpecUnit

ASSET = make_asset("a", AssetKind.BATTERY, -2.0, 2.0, energy_mwh=4.0)
OPTIONS = SunSpecOptions(host=Address("battery", 502), answer_s=0.5, reversion_s=30)
TROUBLES = (
    *("away", "mute", "closing", "garbled", "half", "foreign", "doubled", "busy", "strange"),
    *("short", "chatty"),
)


class Site:
    """A unit, its server, and the device in front of it."""

    def __init__(
        self,
        nursery: trio.Nursery,
        options: SunSpecOptions = OPTIONS,
        models: dict[int, dict[str, Any]] | None = None,
        asset: Asset = ASSET,
    ) -> None:
        self.unit = SunSpecUnit(models)
        self.server = ModbusServer({1: self.unit}, nursery)
        self.link = ModbusLink("battery:502", self.server.dial)
        self.device = SunSpecDevice(asset, options, self.link, SharedLinks())


@asynccontextmanager
async def site(**given: Any) -> AsyncIterator[Site]:
    """A device that runs."""
    async with trio.open_nursery() as nursery:
        made = Site(nursery, **given)
        nursery.start_soon(made.device.run)
        yield made
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_bench() -> AsyncIterator[DeviceBench]:
    async with trio.open_nursery() as nursery:
        made = Site(nursery)

        async def power_mw() -> float:
            return float(made.unit.setpoint_mw or 0.0)

        async def setpoint_mw() -> float | None:
            return made.unit.setpoint_mw

        @asynccontextmanager
        async def at_local() -> AsyncIterator[None]:
            made.unit.put(715, "LocRemCtl", 1)
            yield
            made.unit.put(715, "LocRemCtl", 0)

        yield DeviceBench(
            asset=ASSET,
            device=made.device,
            power_mw=power_mw,
            setpoint_mw=setpoint_mw,
            troubles={mood: partial(made.server.in_mood, mood) for mood in TROUBLES},
            local=at_local,
            recovery_s=40.0,
            tolerance_mw=1e-4,
        )
        nursery.cancel_scope.cancel()


async def test_it_conforms(autojump_clock: MockClock) -> None:
    await check_conformance(open_bench)


async def test_it_is_measured_and_says_what_it_is(autojump_clock: MockClock) -> None:
    async with site() as here:
        reading = await here.device.read()
        assert (reading.p_mw, reading.soc, reading.frequency_hz) == (0.0, 0.61, 50.0)
        assert reading.voltage_v == 230.0
        expected = Nameplate("Acme", "B-2", "0042", "1.7", rated_mw=2.0)
        assert await here.device.identify() == expected
        before = here.server.requests
        await here.device.read()
        assert here.server.requests == before + 2
        here.unit.put(701, "Alrm", 0b1000_0001)
        assert (await here.device.read()).fault == "ground fault, over temp"


async def test_a_command_is_renewed_while_it_holds_and_ends_when_the_agent_dies(
    autojump_clock: MockClock,
) -> None:
    async with site() as here:
        await here.device.apply(1.25)
        await trio.sleep(300)
        assert here.unit.setpoint_mw == 1.25
        await here.device.release()
        assert here.unit.setpoint_mw is None
        await here.device.apply(-0.5)
        await trio.sleep(15)
    # Nobody renews any more.
    assert here.unit.setpoint_mw == -0.5
    await trio.sleep(31)
    assert here.unit.setpoint_mw is None


async def test_a_command_that_the_device_may_not_have_taken_is_not_renewed(
    autojump_clock: MockClock,
) -> None:
    async with site() as here:
        await here.device.apply(1.0)
        here.server.mood = "mute"
        with pytest.raises(DeviceError):
            await here.device.apply(1.5)
        here.server.mood = "well"
        await trio.sleep(31)
        assert here.unit.setpoint_mw is None


async def test_a_command_is_not_renewed_against_someone_at_the_site(
    autojump_clock: MockClock,
) -> None:
    async with site() as here:
        await here.device.apply(1.0)
        here.unit.put(715, "LocRemCtl", 1)
        assert (await here.device.read()).local
        await trio.sleep(31)
        assert here.unit.setpoint_mw is None


async def test_a_renewal_that_failed_is_made_up_for(autojump_clock: MockClock) -> None:
    async with site() as here:
        await here.device.apply(1.0)
        async with here.server.in_mood("away"):
            await trio.sleep(15)
        await trio.sleep(60)
        assert here.unit.setpoint_mw == 1.0


async def test_registers_that_a_device_lacks_are_unknown_and_told_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with site() as here:
        span = here.unit.span(701, "LNV")
        here.server.lacking = range(span.address, span.end)
        with pytest.raises(DeviceError, match="has no such registers"):
            await here.device.read()
        for _ in range(3):
            reading = await here.device.read()
            assert (reading.voltage_v, reading.frequency_hz) == (None, 50.0)
    assert caplog.text.count("device lacks registers of its model") == 1


async def test_a_device_whose_search_takes_longer_than_a_call_is_found(
    autojump_clock: MockClock,
) -> None:
    async with site() as here:
        here.server.answer_s = 0.2
        reading, calls = None, 0
        while reading is None:
            calls += 1
            with trio.move_on_after(1.0), suppress(DeviceError):
                reading = await here.device.read()
        assert reading.frequency_hz == 50.0
        assert 3 < calls < 10
        assert here.server.dials == 1


async def test_the_controllers_heartbeat_is_written(autojump_clock: MockClock) -> None:
    async with site() as here:
        await here.device.read()
        await trio.sleep(10.5)
        assert here.unit.value(715, "ControllerHb") == 10


@pytest.mark.parametrize("key", ["manufacturer", "model", "serial"])
async def test_another_device_is_neither_measured_nor_steered(
    autojump_clock: MockClock, key: str
) -> None:
    changes: dict[str, Any] = {key: "other"}
    async with site(options=replace(OPTIONS, **changes)) as here:
        for call in (here.device.read, partial(here.device.apply, 1.0)):
            with pytest.raises(DeviceError, match=rf"its {key} is .*, and must be 'other'"):
                await call()
    assert here.unit.writes == []


async def test_a_device_that_was_replaced_meanwhile_is_not_steered(
    autojump_clock: MockClock,
) -> None:
    async with site(options=replace(OPTIONS, serial="0042")) as here:
        await here.device.apply(1.0)
        other = {**BATTERY, 1: {**BATTERY[1], "SN": "0007"}}
        here.server.units = {1: SunSpecUnit(other)}
        await here.server.cut()
        await trio.sleep(0.1)
        with pytest.raises(DeviceError):
            await here.device.apply(1.5)
        with pytest.raises(DeviceError, match="its serial is '0007', and must be '0042'"):
            await here.device.apply(1.5)
        await trio.sleep(60)
        assert here.server.units[1].writes == []


async def test_without_a_timer_a_device_is_steered_only_if_that_is_allowed(
    autojump_clock: MockClock,
) -> None:
    control = {key: value for key, value in BATTERY[704].items() if key != "WSetRvrtTms"}
    models = {**BATTERY, 704: control}
    async with site(models=models) as here:
        with pytest.raises(DeviceError, match="no reversion timer; allow_no_reversion: true"):
            await here.device.apply(1.0)
        assert here.unit.writes == []
    async with site(models=models, options=replace(OPTIONS, allow_no_reversion=True)) as here:
        assert await here.device.apply(1.0) == 1.0


async def test_limits_are_those_that_the_device_is_set_to(autojump_clock: MockClock) -> None:
    models = {**BATTERY, 702: {"WMaxRtg": 20000, "WMax": 15000, "W_SF": 2}}
    async with site(models=models) as here:
        assert here.device.limits == ASSET.limits
        await here.device.read()
        assert here.device.limits == Limits(-1.5, 1.5)


async def test_a_device_that_takes_less_than_it_was_told_says_so(
    autojump_clock: MockClock,
) -> None:
    async with site() as here:
        await here.device.read()
        here.unit.on_read = lambda: here.unit.put(704, "WSet", 500_000)
        with pytest.raises(DeviceError, match=r"was told 1 MW, and took 0\.5 MW"):
            await here.device.apply(1.0)


SUN = {
    1: BATTERY[1],
    103: {"W": 1200, "W_SF": 3, "Hz": 5000, "Hz_SF": -2, "PhVphA": 230, "V_SF": 0, "St": 4},
    121: {"WMax": 2000, "WMax_SF": 3},
    123: {"WMaxLimPct": 1000, "WMaxLimPct_RvrtTms": 0, "WMaxLim_Ena": 0, "WMaxLimPct_SF": -1},
}


async def test_a_solar_inverter_of_the_older_models_is_limited(autojump_clock: MockClock) -> None:
    solar = make_asset("a", AssetKind.SOLAR, 0.0, 2.0)
    async with site(models=SUN, asset=solar) as here:
        assert (await here.device.read()).p_mw == 1.2
        assert await here.device.apply(0.5) == 0.5
        assert here.unit.value(123, "WMaxLimPct") == 25.0
        assert here.unit.value(123, "WMaxLimPct_RvrtTms") == 30
        assert here.unit.value(123, "WMaxLim_Ena") == 1
        await here.device.release()
        assert here.unit.value(123, "WMaxLim_Ena") == 0
    async with site(models=SUN) as here:
        with pytest.raises(DeviceError, match="offers no control of power that a battery needs"):
            await here.device.apply(0.5)
