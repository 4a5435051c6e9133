"""A device that a register map describes: identified, measured and steered over one link."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import trio

from deragent.devices import Asset, Device, DeviceError, Limits, Measurement, Nameplate
from deragent.drivers.modbus.mapped_options import MappedOptions
from deragent.drivers.modbus.mapped_unit import MappedUnit
from deragent.drivers.modbus.reading_by_map import (
    HeartbeatWatch,
    identity_spans,
    measure_by_map,
    measured_spans,
    nameplate_by_map,
    nameplate_spans,
    strange_identity,
)
from deragent.drivers.modbus.register_map import RegisterMap
from deragent.drivers.modbus.steering_by_map import MappedControl
from deragent.modbus_tcp import ModbusLink, NewConnectionError, SharedLinks
from derproto.stdio.log_events import event_log

T = TypeVar("T")

log = event_log(__name__)


@dataclass(frozen=True, slots=True)
class _Identified:
    """The device that answers since the connection of that number began."""

    nameplate: Nameplate
    connection: int


class MappedDevice(Device):
    """A device behind a link. Each new connection begins with the check of its identity."""

    def __init__(
        self,
        asset: Asset,
        options: MappedOptions,
        map: RegisterMap,
        link: ModbusLink,
        links: SharedLinks,
    ) -> None:
        self._asset = asset
        self._options = options
        self._map = map
        self._link = link
        self._links = links
        self._unit = MappedUnit(asset.id, link, options, map)
        self._watch = None if map.heartbeat is None else HeartbeatWatch(map.heartbeat)
        self._identified: _Identified | None = None
        self._steering = trio.Lock()
        self._holding_mw: float | None = None
        self._held = trio.Event()
        self._count = 0
        """Commands so far, for a watchdog that counts."""

    @property
    def limits(self) -> Limits:
        command = self._map.command
        own = None if command is None else command.limits
        return self._asset.limits if own is None else own

    @property
    def reversion_s(self) -> float | None:
        command = self._map.command
        return None if command is None or command.watchdog is None else command.watchdog.period_s

    async def read(self) -> Measurement:
        return await self._with_identified(self._measure)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        # A map has no ramps: the device is as fast as it can.
        async with self._steering:
            # Nobody renews a command of which it is not known whether the device took it.
            self._holding_mw = None
            took_mw = await self._with_identified(partial(self._command, mw))
            self._holding_mw = mw
            self._held.set()
        return took_mw

    async def release(self) -> None:
        async with self._steering:
            self._holding_mw = None
            await self._with_identified(self._return)

    async def identify(self) -> Nameplate:
        return (await self._identify()).nameplate

    async def run(self) -> None:
        async with self._links.use(self._link):
            await self._renew()

    # --- on a connection whose device is identified -------------------------------------

    async def _with_identified(self, act: Callable[[_Identified], Awaitable[T]]) -> T:
        """Acts on a device that was identified since the present connection began."""
        try:
            return await act(await self._identify())
        except NewConnectionError:
            return await act(await self._identify())

    async def _identify(self) -> _Identified:
        """The device, identified since the present connection began. Raises: DeviceError."""
        known = self._identified
        if known is not None and known.connection == self._link.connections:
            return known
        spans = [*identity_spans(self._map), *nameplate_spans(self._map)]
        image, connection = await self._unit.read(spans, None)
        nameplate = nameplate_by_map(self._map, image)
        strange = strange_identity(self._map, image) or self._strange_nameplate(nameplate)
        if strange:
            raise DeviceError(f"{self._link.name}: {strange}: this is another device")
        self._identified = _Identified(nameplate, connection)
        return self._identified

    def _strange_nameplate(self, nameplate: Nameplate) -> str:
        for name, wanted, said in (
            ("manufacturer", self._options.manufacturer, nameplate.manufacturer),
            ("model", self._options.model, nameplate.model),
            ("serial", self._options.serial, nameplate.serial),
        ):
            if wanted is not None and wanted != said:
                return f"its {name} is {said!r}, and must be {wanted!r}"
        return ""

    async def _measure(self, known: _Identified) -> Measurement:
        image, _ = await self._unit.read(measured_spans(self._map), known.connection)
        reading = measure_by_map(self._map, image, self._watch, trio.current_time())
        if reading.local:
            # Whoever has control does not want the last command renewed.
            self._holding_mw = None
        return reading

    # --- commands -----------------------------------------------------------------------

    def _control(self, known: _Identified) -> MappedControl:
        """Raises: DeviceError, if the device cannot or must not be steered."""
        command = self._map.command
        if command is None or self._asset.kind not in command.kinds:
            raise DeviceError(f"its map has no command of power for a {self._asset.kind}")
        if command.watchdog is None and not self._options.allow_no_reversion:
            raise DeviceError("its map has no watchdog; allow_no_reversion: true steers it anyway")
        return MappedControl(command, known.nameplate.rated_mw or self._asset.rated_mw)

    async def _command(self, mw: float, known: _Identified) -> float:
        """Tells the device, and returns what it took. Raises: DeviceError."""
        control = self._control(known)
        self._count += 1
        try:
            writes = [*control.writes(mw, self._count)]
        except ValueError as unfit:
            raise DeviceError(str(unfit)) from unfit
        await self._unit.write(writes, known.connection)
        image, _ = await self._unit.read(control.spans(), known.connection)
        differs = control.differs(mw, image)
        if differs:
            raise DeviceError(differs)
        took_mw = control.taken_mw(mw, image)
        return mw if took_mw is None else took_mw

    async def _return(self, known: _Identified) -> None:
        await self._unit.write(self._control(known).releases(), known.connection)

    async def _renew(self) -> None:
        """Renews the command that the device holds, before the device reverts."""
        period_s = None if self._map.command is None else self._map.command.renewal_s
        if period_s is None:
            await trio.sleep_forever()
            return
        failing = False
        while True:
            await self._held.wait()
            await trio.sleep(period_s)
            async with self._steering:
                if self._holding_mw is None:
                    self._held = trio.Event()
                    continue
                try:
                    await self._with_identified(partial(self._command, self._holding_mw))
                except DeviceError as failure:
                    if not failing:
                        log.warning(
                            "command of the device is not renewed",
                            asset=self._asset.id,
                            reason=str(failure),
                        )
                    failing = True
                else:
                    failing = False
