"""Whatever a device's registers say, its driver measures it, or says in words why not."""

from contextlib import suppress
from functools import partial

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from deragent.devices import DeviceError
from deragent.devices.testing.rules import insist_on_limits, insist_on_nameplate
from deragent.drivers.sunspec.sunspec_device import SunSpecDevice
from deragent.modbus_tcp import ModbusLink, SharedLinks
from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.sunspec_unit import SunSpecUnit
from tests.unit.sunspec.test_device import ASSET, OPTIONS


async def meet(flips: list[tuple[int, int]], cut: int | None) -> None:
    """Meets a device some of whose bytes are others, and whose map may end early."""
    async with trio.open_nursery() as nursery:
        unit = SunSpecUnit()
        unit.act = False
        for place, byte in flips:
            unit.data[place % len(unit.data)] = byte
        if cut is not None:
            del unit.data[2 * cut :]
        server = ModbusServer({1: unit}, nursery)
        link = ModbusLink("battery", server.dial)
        device = SunSpecDevice(ASSET, OPTIONS, link, SharedLinks())
        nursery.start_soon(device.run)
        for call in (device.read, device.identify, partial(device.apply, 1.0), device.release):
            with suppress(DeviceError):
                await call()
            insist_on_limits(device.limits)
        with suppress(DeviceError):
            insist_on_nameplate(await device.identify())
        # No list of models is so long that a search does not end.
        assert server.requests < 2000
        nursery.cancel_scope.cancel()


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    st.none() | st.integers(0, 400),
)
def test_no_registers_bring_more_than_a_device_error(
    flips: list[tuple[int, int]], cut: int | None
) -> None:
    trio.run(meet, flips, cut, clock=MockClock(autojump_threshold=0))
