"""A device that speaks SunSpec: found, identified, measured and steered over one link."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import trio

from deragent.devices import Asset, Device, DeviceError, Limits, Measurement, Nameplate
from deragent.drivers.sunspec.device_map import DeviceMap, read_map
from deragent.drivers.sunspec.model_list import NoSunSpecError
from deragent.drivers.sunspec.point_values import UnfitValueError
from deragent.drivers.sunspec.power_control import PowerControl
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.drivers.sunspec.unit_reader import UnitReader
from deragent.modbus_tcp import (
    IllegalAddressError,
    ModbusLink,
    NewConnectionError,
    SharedLinks,
)
from deragent.modbus_tcp.read_plan import RegisterImage, Span, plan_reads
from derproto.stdio.log_events import event_log

T = TypeVar("T")

log = event_log(__name__)

RENEWALS = 3
"""Renewals of a command within its reversion time."""
HEARTBEAT_S = 1.0
"""Period of the controller's heartbeat, by SunSpec."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the device since the connection of that number began."""

    map: DeviceMap
    connection: int
    heartbeat: Span | None


class SunSpecDevice(Device):
    """A device behind a link. Each new connection begins with a search of its models."""

    def __init__(
        self, asset: Asset, options: SunSpecOptions, link: ModbusLink, links: SharedLinks
    ) -> None:
        self._asset = asset
        self._options = options
        self._link = link
        self._links = links
        self._reader = UnitReader(link, options)
        self._known: _Known | None = None
        self._search_wanted = trio.Event()
        self._search_done = trio.Event()
        self._search_failure = ""
        self._steering = trio.Lock()
        self._holding_mw: float | None = None
        self._held = trio.Event()
        self._missing: set[Span] = set()
        """Spans that the device does not have, although its models say so."""
        self._lacks = False
        """Whether it lacks any registers of its models."""

    @property
    def limits(self) -> Limits:
        control = None if self._known is None else self._known.map.control
        own = None if control is None else control.limits
        return self._asset.limits if own is None else own

    @property
    def reversion_s(self) -> float | None:
        control = None if self._known is None else self._known.map.control
        return self._options.reversion_s if control is not None and control.has_timer else None

    async def read(self) -> Measurement:
        return await self._with_known(self._measure)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        # SunSpec's ramps are settings of the whole device: it is as fast as it can.
        async with self._steering:
            # Nobody renews a command of which it is not known whether the device took it.
            self._holding_mw = None
            took_mw = await self._with_known(partial(self._command, mw))
            self._holding_mw = mw
            self._held.set()
        return took_mw

    async def release(self) -> None:
        async with self._steering:
            self._holding_mw = None
            await self._with_known(self._return)

    async def identify(self) -> Nameplate:
        return (await self._know()).map.nameplate

    async def run(self) -> None:
        async with self._links.use(self._link), trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_known)
            nursery.start_soon(self._renew)
            nursery.start_soon(self._beat)

    # --- on a connection whose device is known ------------------------------------------

    async def _with_known(self, act: Callable[[_Known], Awaitable[T]]) -> T:
        """Acts on a device that was identified since the present connection began."""
        try:
            return await act(await self._know())
        except NewConnectionError:
            return await act(await self._know())

    async def _measure(self, known: _Known) -> Measurement:
        wanted = [span for span in known.map.spans() if span not in self._missing]
        parts = []
        for span in plan_reads(wanted, self._reader.most_registers, gaps=not self._lacks):
            try:
                parts.append((span, await self._reader.read(span, known.connection)))
            except IllegalAddressError:
                self._lacks = True
                inside = [each for each in wanted if each in span]
                await self._find_missing(inside, known.connection)
                raise
        reading = known.map.measure(RegisterImage(tuple(parts)))
        if reading.local:
            # Whoever has control does not want the last command renewed.
            self._holding_mw = None
        return reading

    # --- its own tasks ------------------------------------------------------------------

    async def _renew(self) -> None:
        """Renews the command that the device holds, before the device reverts."""
        failing = False
        while True:
            await self._held.wait()
            await trio.sleep(self._options.reversion_s / RENEWALS)
            async with self._steering:
                if self._holding_mw is None:
                    self._held = trio.Event()
                    continue
                try:
                    await self._with_known(partial(self._command, self._holding_mw))
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

    async def _beat(self) -> None:
        """Writes the controller's heartbeat, where the device wants one."""
        count = 0
        while True:
            await trio.sleep(HEARTBEAT_S)
            known = self._known
            if known is None or known.heartbeat is None:
                continue
            count = (count + 1) % 0xFFFF_FFFF
            # If the device is away, the readings say so.
            with suppress(DeviceError):
                beat = known.heartbeat, count.to_bytes(4, "big")
                await self._reader.write([beat], known.connection)

    # --- commands -----------------------------------------------------------------------

    def _control(self, known: _Known) -> PowerControl:
        """Raises: DeviceError, if the device cannot or must not be steered."""
        control = known.map.control
        if control is None:
            raise DeviceError(f"offers no control of power that a {self._asset.kind} needs")
        if not control.has_timer and not self._options.allow_no_reversion:
            raise DeviceError("has no reversion timer; allow_no_reversion: true steers it anyway")
        return control

    async def _command(self, mw: float, known: _Known) -> float:
        """Tells the device, and returns what it took. Raises: DeviceError."""
        control = self._control(known)
        try:
            commands = [*control.commands(mw, self._options.reversion_s)]
        except UnfitValueError as unfit:
            raise DeviceError(str(unfit)) from unfit
        await self._reader.write(commands, known.connection)
        reads = plan_reads(control.spans(), self._reader.most_registers)
        connection = known.connection
        image = RegisterImage(
            tuple([(span, await self._reader.read(span, connection)) for span in reads])
        )
        took_mw = control.taken_mw(image)
        if took_mw is None:
            raise DeviceError(f"was told {mw:g} MW, and controls itself")
        if abs(took_mw - mw) > control.resolution_mw:
            raise DeviceError(f"was told {mw:g} MW, and took {took_mw:g} MW")
        return took_mw

    async def _return(self, known: _Known) -> None:
        await self._reader.write(self._control(known).releases(), known.connection)

    # --- what the device is -------------------------------------------------------------

    async def _know(self) -> _Known:
        """The device, identified since the present connection began. Raises: DeviceError."""
        if self._known is None or self._known.connection != self._link.connections:
            done = self._search_done
            self._search_wanted.set()
            await done.wait()
            if self._known is None:
                raise DeviceError(self._search_failure)
        return self._known

    async def _keep_known(self) -> None:
        """Searches for the device's models whenever a call needs them.

        A search takes longer than a call may, so it is not theirs.
        """
        while True:
            await self._search_wanted.wait()
            try:
                self._known = await self._search()
            except DeviceError as failure:
                self._known, self._search_failure = None, str(failure)
            self._missing.clear()
            self._lacks = False
            done = self._search_done
            self._search_wanted, self._search_done = trio.Event(), trio.Event()
            done.set()

    async def _search(self) -> _Known:
        try:
            models, image, connection = await self._reader.read_models()
        except NoSunSpecError as wrong:
            raise DeviceError(f"{self._link.name}: no SunSpec device: {wrong}") from wrong
        found = read_map(models, image, self._asset.kind)
        if found is None:
            ids = ", ".join(str(model.model_id) for model in models)
            raise DeviceError(f"{self._link.name}: none of its models ({ids}) measures power")
        self._insist_on_identity(found.nameplate)
        if found.control is not None and not found.control.has_timer:
            log.warning(
                "device has no reversion timer: it keeps its setpoint if its agent dies",
                asset=self._asset.id,
                steered=self._options.allow_no_reversion,
            )
        return _Known(found, connection, found.heartbeat(image))

    def _insist_on_identity(self, nameplate: Nameplate) -> None:
        options = self._options
        for name, wanted, said in (
            ("manufacturer", options.manufacturer, nameplate.manufacturer),
            ("model", options.model, nameplate.model),
            ("serial", options.serial, nameplate.serial),
        ):
            if wanted is not None and wanted != said:
                text = f"its {name} is {said!r}, and must be {wanted!r}"
                raise DeviceError(f"{self._link.name}: {text}: this is another device")

    async def _find_missing(self, spans: Iterable[Span], connection: int) -> None:
        """Asks for each point alone, to find those that the device does not have."""
        for span in spans:
            try:
                await self._reader.read(span, connection)
            except IllegalAddressError:
                self._missing.add(span)
                log.warning(
                    "device lacks registers of its model",
                    asset=self._asset.id,
                    address=span.address,
                    count=span.count,
                )
