"""A plant behind the port: each opened device renews its command while it runs."""

import math
from dataclasses import dataclass, field

import trio

from deragent.devices import (
    Asset,
    Device,
    DeviceError,
    Limits,
    LocalControlError,
    Measurement,
    Nameplate,
    Runtime,
)
from tests.unit.commissioning.plant import Plant

PLATE = Nameplate("Acme", "B-2", "7", rated_mw=2.0)


@dataclass
class PlantSite:
    """The plant, and what is wrong with the way to it."""

    asset: Asset
    plant: Plant
    timer_s: float | None = None
    """What the driver says of the timer."""
    away_s: float = math.inf
    mute_s: float = math.inf
    local_s: float = math.inf
    refuses: bool = False
    answer_s: float = 0.0
    opened: int = 0
    running: int = 0
    orders: list[float | None] = field(default_factory=list)

    async def open(self, asset: Asset, runtime: Runtime) -> Device:
        await trio.lowlevel.checkpoint()
        self.opened += 1
        return PlantDevice(self)

    def held_mw(self) -> float | None:
        """What the plant was told last."""
        return self.plant.told[-1][1] if self.plant.told else None


class PlantDevice(Device):
    def __init__(self, site: PlantSite) -> None:
        self._site = site
        self._holds = False

    @property
    def limits(self) -> Limits:
        return self._site.asset.limits

    @property
    def reversion_s(self) -> float | None:
        return self._site.timer_s

    async def _call(self) -> None:
        await trio.sleep(self._site.answer_s)
        if trio.current_time() >= self._site.away_s:
            raise DeviceError("connection refused")
        if trio.current_time() >= self._site.mute_s:
            await trio.sleep_forever()

    async def read(self) -> Measurement:
        await self._call()
        now_s = trio.current_time()
        local = now_s >= self._site.local_s
        return Measurement(self._site.plant.power(now_s), soc=0.5, local=local)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await self._call()
        if self._site.refuses:
            raise DeviceError("busy")
        if trio.current_time() >= self._site.local_s:
            raise LocalControlError("key switch is at local")
        self._site.plant.tell(mw, trio.current_time())
        self._holds = True
        await trio.lowlevel.checkpoint()
        return mw

    async def release(self) -> None:
        await self._call()
        self._holds = False
        self._site.plant.tell(None, trio.current_time())

    async def identify(self) -> Nameplate:
        await self._call()
        return PLATE

    async def run(self) -> None:
        self._site.running += 1
        try:
            while True:
                await trio.sleep(1.0)
                self._site.plant.power(trio.current_time())
                if self._holds:
                    self._site.plant.renew(trio.current_time())
        finally:
            self._site.running -= 1
