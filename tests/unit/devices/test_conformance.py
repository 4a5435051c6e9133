"""Every driver that ships conforms, and the suite finds each fault that it is there to find."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from deragent.devices import (
    AssetKind,
    Device,
    DeviceError,
    Health,
    Limits,
    LocalControlError,
    Measurement,
    Nameplate,
    open_device,
)
from deragent.devices.testing import DeviceBench, NotConforming, OpenBench, check_conformance
from derproto.base.runtime import virtual_runtime
from derproto.base.timefmt import parse_us
from derproto.configuration.fleet import Asset, DeviceSpec
from tests.support.assets import make_asset

NOON_US = parse_us("2026-03-01T19:00:00Z")

REACH = {
    AssetKind.SOLAR: Limits(0.0, 2.0),
    AssetKind.GENERATOR: Limits(0.0, 2.0),
    AssetKind.BATTERY: Limits(-2.0, 2.0),
    AssetKind.LOAD: Limits(-2.0, 0.0),
    AssetKind.EV_CHARGER: Limits(-2.0, 0.0),
}


def asset_of(kind: AssetKind, driver: str, **options: object) -> Asset:
    energy_mwh = 4.0 if kind is AssetKind.BATTERY else None
    device = DeviceSpec(driver, options)
    low_mw, high_mw = REACH[kind].min_mw, REACH[kind].max_mw
    return make_asset("a", kind, low_mw, high_mw, energy_mwh=energy_mwh, device=device)


def simulated(asset: Asset, tolerance_mw: float = 1e-6) -> OpenBench:
    """Clouds move the sun's power also while a ramp holds it."""

    @asynccontextmanager
    async def open_bench() -> AsyncIterator[DeviceBench]:
        yield DeviceBench(
            asset=asset,
            device=await open_device(asset, virtual_runtime(NOON_US)),
            settle_s=35.0,
            ramp_s=40.0,
            tolerance_mw=max(tolerance_mw, 0.1 if asset.kind is AssetKind.SOLAR else 0.0),
        )

    return open_bench


@pytest.mark.parametrize("kind", AssetKind)
async def test_simulated_devices_conform(autojump_clock: MockClock, kind: AssetKind) -> None:
    await check_conformance(simulated(asset_of(kind, "simulated")))


UNPLEASANT = {
    "dead_time_s": 3.0,
    "open_loop_response_s": 5.0,
    "ramp_mw_per_s": 0.2,
    "resolution_mw": 0.05,
    "deadband_mw": 0.05,
}


@pytest.mark.parametrize("kind", AssetKind)
async def test_an_unpleasant_device_conforms_within_its_resolution(
    autojump_clock: MockClock, kind: AssetKind
) -> None:
    asset = asset_of(kind, "simulated", **UNPLEASANT)
    await check_conformance(simulated(asset, tolerance_mw=0.11))


async def test_a_replayed_day_conforms_also_with_a_record(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    record = str(tmp_path / "record")
    await check_conformance(simulated(asset_of(AssetKind.SOLAR, "replay", record=record)))


# --- the suite itself -------------------------------------------------------------------------


Answer = tuple[float, bool]
"""The power that the equipment holds, MW, and whether someone at the site has control."""


class Equipment:
    """A battery's inverter, behind a bus that is slow."""

    def __init__(self) -> None:
        self.setpoint_mw: float | None = None
        self.away = self.local = False

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        await trio.sleep(0.01)
        if self.away:
            raise OSError("no route to the device")
        answer = question()
        await trio.sleep(0.01)
        return answer

    def state(self) -> Answer:
        return self.setpoint_mw or 0.0, self.local

    def hold(self, mw: float | None) -> Answer:
        if not self.local:
            self.setpoint_mw = mw
        return self.state()


class Inverter(Device):
    """A driver without a fault. Each fault below changes one of its methods."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment

    @property
    def limits(self) -> Limits:
        return REACH[AssetKind.BATTERY]

    async def read(self) -> Measurement:
        p_mw, local = await self.ask(self.equipment.state)
        return Measurement(p_mw=p_mw, soc=0.5, local=local)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        took_mw, local = await self.ask(lambda: self.equipment.hold(mw))
        if local:
            raise LocalControlError("key switch at local")
        return took_mw

    async def release(self) -> None:
        await self.ask(lambda: self.equipment.hold(None))

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return await self.equipment.ask(question)
        except OSError as failure:
            raise DeviceError(str(failure)) from failure


def bench_of(driver: type[Inverter], **given: Any) -> OpenBench:
    @asynccontextmanager
    async def open_bench() -> AsyncIterator[DeviceBench]:
        equipment = Equipment()

        async def power_mw() -> float:
            await trio.lowlevel.checkpoint()
            return equipment.setpoint_mw or 0.0

        async def setpoint_mw() -> float | None:
            await trio.lowlevel.checkpoint()
            return equipment.setpoint_mw

        @asynccontextmanager
        async def during(name: str) -> AsyncIterator[None]:
            setattr(equipment, name, True)
            yield
            setattr(equipment, name, False)

        yield DeviceBench(
            asset=asset_of(AssetKind.BATTERY, "inverter"),
            device=driver(equipment),
            power_mw=power_mw,
            setpoint_mw=setpoint_mw,
            troubles={"away": lambda: during("away")},
            local=lambda: during("local"),
            **given,
        )

    return open_bench


async def test_a_driver_without_a_fault_conforms(autojump_clock: MockClock) -> None:
    await check_conformance(bench_of(Inverter))


class WrongSign(Inverter):
    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        return -await super().apply(-mw)


class Kilowatts(Inverter):
    async def read(self) -> Measurement:
        reading = await super().read()
        return replace(reading, p_mw=(reading.p_mw or 0.0) * 1000)


class Percent(Inverter):
    async def read(self) -> Measurement:
        return replace(await super().read(), soc=50.0)


class NotANumber(Inverter):
    async def read(self) -> Measurement:
        return replace(await super().read(), frequency_hz=math.nan)


class Wordless(Inverter):
    async def read(self) -> Measurement:
        return replace(await super().read(), health=Health.DEGRADED)


class Claims(Inverter):
    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await super().apply(mw / 2)
        return mw


class Clings(Inverter):
    async def release(self) -> None:
        await trio.lowlevel.checkpoint()


class Leaks(Inverter):
    async def ask(self, question: Callable[[], Answer]) -> Answer:
        return await self.equipment.ask(question)


class GivesUp(Inverter):
    failed = False

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        self.failed = self.failed or self.equipment.away
        if self.failed:
            raise DeviceError("failed before")
        return await super().ask(question)


class TakesLateAnswers(Inverter):
    def __init__(self, equipment: Equipment) -> None:
        super().__init__(equipment)
        self.unread: list[Answer] = []

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        self.unread.append(await super().ask(question))
        await trio.lowlevel.checkpoint()
        return self.unread.pop(0)


class StaysBusy(Inverter):
    def __init__(self, equipment: Equipment) -> None:
        super().__init__(equipment)
        self.bus = trio.Semaphore(1)

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        await self.bus.acquire()
        answer = await super().ask(question)
        self.bus.release()
        return answer


class Swallows(Inverter):
    async def ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return await super().ask(question)
        except trio.Cancelled as cancelled:
            raise DeviceError("interrupted") from cancelled


class HidesLocal(Inverter):
    async def read(self) -> Measurement:
        return replace(await super().read(), local=False)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        return (await self.ask(lambda: self.equipment.hold(mw)))[0]


class Lingers(Inverter):
    async def run(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)


class Ends(Inverter):
    async def run(self) -> None:
        await trio.lowlevel.checkpoint()


class Nameless(Inverter):
    async def identify(self) -> Nameplate:
        await trio.lowlevel.checkpoint()
        return Nameplate(rated_mw=0.0)


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (WrongSign, r"after apply\(2\) the equipment holds -2"),
        (Kilowatts, "p_mw is 2000.0, beyond -2.4..2.4; give MW, positive = generation"),
        (Percent, "soc is 50.0, beyond 0..1; give a share from 0 to 1"),
        (NotANumber, "frequency_hz is nan; an unknown value is None"),
        (Wordless, "a fault in words and the health DEGRADED go together"),
        (Claims, "the equipment holds 1.0 MW"),
        (Clings, "after release the equipment still holds"),
        (Leaks, "away: read raised OSError.*; raise DeviceError from it"),
        (GivesUp, "away is over for 5 s, and read still fails"),
        (TakesLateAnswers, r"apply\(-?2\) says that the device took"),
        (StaysBusy, "apply failed with TooSlowError.* although nothing is wrong"),
        (Swallows, "cancelled at await 1, a call raised DeviceError.*; let Cancelled pass"),
        (HidesLocal, "under local control read does not say local"),
        (Lingers, "run goes on 1 s after its cancellation"),
        (Ends, "run ended while the device was in use"),
        (Nameless, "rated_mw is 0.0; give MW above 0, or None"),
    ],
)
async def test_a_fault_of_a_driver_is_found(
    autojump_clock: MockClock, driver: type[Inverter], said: str
) -> None:
    with pytest.raises(NotConforming, match=said):
        await check_conformance(bench_of(driver))


async def test_a_ramp_that_is_a_jump_is_found(autojump_clock: MockClock) -> None:
    with pytest.raises(NotConforming, match=r"a ramp of 0\.4 MW/s moved the power from 2 to -2"):
        await check_conformance(bench_of(Inverter, ramp_s=10.0))
