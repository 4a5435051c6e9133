"""The driver keeps the contract of ``deragent.devices.Device``, whatever its battery does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio
from imaginary_battery import ImaginaryBattery
from line_battery import LineBattery, LineBatteryOptions

from deragent.devices import Address, Asset, AssetKind, Limits
from deragent.devices.testing import DeviceBench, check_conformance

ASSET = Asset(
    id="0d7c0a5e-5d7a-4b8e-9f5c-6f2f9f2a8b02",
    name="North battery",
    site_id="5b0c6a52-7f0e-4c39-8f4b-3a1c7d0e9a01",
    kind=AssetKind.BATTERY,
    rated_mw=2.0,
    limits=Limits(-2.0, 2.0),
    energy_mwh=4.0,
)


@asynccontextmanager
async def open_bench() -> AsyncIterator[DeviceBench]:
    battery = ImaginaryBattery()

    async def power_mw() -> float:
        return battery.setpoint_mw or 0.0

    async def setpoint_mw() -> float | None:
        return battery.setpoint_mw

    @asynccontextmanager
    async def in_mood(mood: str) -> AsyncIterator[None]:
        battery.mood = mood
        yield
        battery.mood = "well"

    @asynccontextmanager
    async def at_local() -> AsyncIterator[None]:
        battery.local = True
        yield
        battery.local = False

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, battery.converse, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        port = listener.socket.getsockname()[1]
        options = LineBatteryOptions(host=Address("127.0.0.1", port), answer_s=0.2)
        yield DeviceBench(
            asset=ASSET,
            device=LineBattery(ASSET, options),
            power_mw=power_mw,
            setpoint_mw=setpoint_mw,
            troubles={mood: partial(in_mood, mood) for mood in ("mute", "rude", "garbled", "half")},
            local=at_local,
        )
        nursery.cancel_scope.cancel()


async def test_the_driver_conforms() -> None:
    await check_conformance(open_bench)
