"""A device behind an inverter's registers, which ends a command by itself when its timer ends."""

import trio

from deragent.devices import Asset, Device
from deragent.drivers.sunspec.power_control import DISABLED, ENABLED, WATTS
from deragent.modbus_tcp.read_plan import Span
from launcher.inverters.inverter_registers import InverterRegisters


class ServedInverter:
    """The registers of an asset's device. Requests are served one at a time."""

    def __init__(self, asset: Asset, device: Device) -> None:
        self.registers = InverterRegisters(asset)
        self._device = device
        self._turn = trio.Lock()
        self._reverts_at_s: float | None = None
        self._timer_begun = trio.Event()

    async def read(self, span: Span) -> bytes | None:
        """Registers as they are now; None if some are not there.

        Raises: DeviceError, if the device cannot be read; UnfitValueError, if its values do not
        fit. Cancellation: at any time.
        """
        async with self._turn:
            self.registers.show(await self._device.read())
            left_s = 0.0
            if self._reverts_at_s is not None:
                left_s = max(0.0, self._reverts_at_s - trio.current_time())
            self.registers.put(704, "WSetRvrtRem", left_s)
            return self.registers.read(span)

    async def write(self, address: int, data: bytes) -> bool:
        """Writes registers and acts on them; False where nothing may be written.

        A write of ``WSetEna`` commands the device, and begins the timer anew.
        Raises: DeviceError. Cancellation: at any time; the device may have taken the command.
        """
        async with self._turn:
            if not self.registers.write(address, data):
                return False
            if self.registers.span(704, "WSetEna") in Span(address, len(data) // 2):
                await self._command()
            return True

    async def run(self) -> None:
        """Keeps the device, and ends commands whose time is over. Cancellation: at any time."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._device.run)
            nursery.start_soon(self._revert)

    async def _command(self) -> None:
        self._reverts_at_s = None
        enabled = self.registers.value(704, "WSetEna") == ENABLED
        # Only setpoints in watts are offered.
        if not enabled or self.registers.value(704, "WSetMod") != WATTS:
            self.registers.put(704, "WSetEna", DISABLED)
            await self._device.release()
            return
        await self._apply("WSet")
        timer_s = self.registers.number(704, "WSetRvrtTms")
        if timer_s:
            self._reverts_at_s = trio.current_time() + timer_s
            self._timer_begun.set()

    async def _apply(self, path: str) -> None:
        took_mw = await self._device.apply(self.registers.number(704, path) / 1e6)
        self.registers.put(704, "WSet", took_mw * 1e6)

    async def _revert(self) -> None:
        while True:
            await self._timer_begun.wait()
            if self._reverts_at_s is not None:
                await trio.sleep_until(self._reverts_at_s)
            async with self._turn:
                if self._reverts_at_s is None:
                    self._timer_begun = trio.Event()
                elif self._reverts_at_s <= trio.current_time():
                    self._reverts_at_s = None
                    if self.registers.value(704, "WSetEnaRvrt") == ENABLED:
                        await self._apply("WSetRvrt")
                    else:
                        self.registers.put(704, "WSetEna", DISABLED)
                        await self._device.release()
