"""Simulated devices behind registers: measured, steered and left alone by the real driver."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from deragent.devices import Asset, AssetKind, Device, Measurement, open_device
from deragent.drivers.sunspec.sunspec_device import SunSpecDevice
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.modbus_tcp import ModbusLink, SharedLinks
from deragent.modbus_tcp.read_plan import Span
from derproto.base.runtime import virtual_runtime
from derproto.configuration.kinds import Address
from launcher.fleets.generated_fleet import generate
from launcher.inverters.inverter_fleet import with_inverters
from launcher.inverters.inverter_registers import InverterRegisters, power_exponent, serial_of
from launcher.inverters.modbus_service import MOST_CONNECTIONS, ModbusService
from launcher.inverters.served_inverter import ServedInverter
from tests.support.epoch import T0

REVERSION_S = 30


def asset_of(kind: AssetKind) -> Asset:
    return next(asset for asset in generate(5).assets.values() if asset.kind is kind)


@asynccontextmanager
async def served(asset: Asset) -> AsyncIterator[tuple[ServedInverter, Device]]:
    """The asset's inverter, and the driver's device at it. Its task is not started."""
    inverter = ServedInverter(asset, await open_device(asset, virtual_runtime(T0)))
    service = ModbusService(inverter)
    async with trio.open_nursery() as nursery:

        async def dial() -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            ours, theirs = memory_stream_pair()
            nursery.start_soon(service.converse, theirs)
            return ours

        options = SunSpecOptions(
            host=Address("127.0.0.1", 1502), serial=serial_of(asset), reversion_s=REVERSION_S
        )
        device = SunSpecDevice(asset, options, ModbusLink("inverter", dial), SharedLinks())
        nursery.start_soon(inverter.run)
        yield inverter, device
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("kind", AssetKind)
async def test_the_driver_reads_what_the_device_measures(
    kind: AssetKind, autojump_clock: MockClock
) -> None:
    asset = asset_of(kind)
    async with served(asset) as (inverter, device), trio.open_nursery() as nursery:
        nursery.start_soon(device.run)
        plate = await device.identify()
        assert (plate.model, plate.serial) == (kind, serial_of(asset))
        assert plate.rated_mw == pytest.approx(asset.rated_mw)
        reading = await device.read()
        assert reading.p_mw == inverter.registers.number(701, "W") / 1e6
        assert (reading.soc is not None) is (kind is AssetKind.BATTERY)
        assert reading.frequency_hz == pytest.approx(60.0, abs=0.1)
        nursery.cancel_scope.cancel()


async def test_a_command_holds_while_it_is_renewed_and_ends_without_its_agent(
    autojump_clock: MockClock,
) -> None:
    async with served(asset_of(AssetKind.BATTERY)) as (inverter, device):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(device.run)
            assert await device.apply(0.1) == 0.1
            await trio.sleep(3 * REVERSION_S)
            assert (await device.read()).p_mw == pytest.approx(0.1)
            assert inverter.registers.number(704, "WSetRvrtRem") > 0
            nursery.cancel_scope.cancel()
        # Its agent is gone.
        await trio.sleep(REVERSION_S + 1)
        assert inverter.registers.value(704, "WSetEna") == 0
        await inverter.read(Span(40000, 2))
        assert inverter.registers.number(701, "W") == 0


async def test_a_released_device_controls_itself(autojump_clock: MockClock) -> None:
    async with served(asset_of(AssetKind.BATTERY)) as (inverter, device):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(device.run)
            await device.apply(0.1)
            await device.release()
            assert inverter.registers.value(704, "WSetEna") == 0
            assert (await device.read()).p_mw == 0
            nursery.cancel_scope.cancel()


async def test_only_commands_can_be_written(autojump_clock: MockClock) -> None:
    async with served(asset_of(AssetKind.BATTERY)) as (inverter, _device):
        before = inverter.registers.read(inverter.registers.span(702, "WMax"))
        assert not await inverter.write(inverter.registers.span(702, "WMax").address, b"\0\1")
        assert inverter.registers.read(inverter.registers.span(702, "WMax")) == before
        assert await inverter.read(Span(39999, 2)) is None


async def test_connections_beyond_the_bound_are_closed(autojump_clock: MockClock) -> None:
    asset = asset_of(AssetKind.BATTERY)
    service = ModbusService(ServedInverter(asset, await open_device(asset, virtual_runtime(T0))))
    async with trio.open_nursery() as nursery:
        ends = []
        for _ in range(MOST_CONNECTIONS + 1):
            ours, theirs = memory_stream_pair()
            nursery.start_soon(service.converse, theirs)
            await trio.testing.wait_all_tasks_blocked()
            ends.append(ours)
        assert await ends[-1].receive_some(1) == b""
        # The others are answered: a function that no inverter has is refused.
        await ends[0].send_all(bytes.fromhex("0007 0000 0006 01 01 0000 0001"))
        assert await ends[0].receive_some(99) == bytes.fromhex("0007 0000 0003 01 81 01")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("rated_mw", "exponent"), [(0.01, 0), (0.05, 1), (5.0, 3), (100.0, 4)])
def test_power_fits_into_its_register(rated_mw: float, exponent: int) -> None:
    assert power_exponent(rated_mw) == exponent
    registers = InverterRegisters(replace(asset_of(AssetKind.BATTERY), rated_mw=rated_mw))
    registers.put(701, "W", -rated_mw * 1e6)
    assert registers.number(701, "W") == -rated_mw * 1e6


def test_what_is_unknown_is_not_implemented() -> None:
    registers = InverterRegisters(asset_of(AssetKind.BATTERY))
    registers.show(Measurement())
    unknown = ["W", "Var", "LNV", "Hz", "InvSt", "St"]
    assert [registers.value(701, path) for path in unknown] == [None] * 6
    assert registers.value(713, "SoC") is None


def test_agents_find_served_assets_at_their_ports() -> None:
    fleet = generate(2)
    first, second = fleet.assets
    made = with_inverters(fleet, {first: 1502})
    assert made.assets[first].device.driver == "sunspec"
    assert made.assets[first].device.options["host"] == "127.0.0.1:1502"
    assert made.assets[second] == fleet.assets[second]
