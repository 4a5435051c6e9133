"""A simulated device that keeps a record of its own: what it measured, and what it was told.

The record is outside of the agent's doings, so it can judge them. Each line of the file is one
event as JSON, written before the agent learns of it. ``n`` counts the lines of one process from 1,
so a reader sees a line that is missing. The file may be a named pipe.
"""

import json
import os
from pathlib import Path

import trio

from deragent.devices.device import Device, DeviceConfigError, Measurement, Nameplate
from derproto.base.runtime import Runtime
from derproto.base.timefmt import format_us
from derproto.configuration.fleet import Asset, Limits
from derproto.stdio.log_events import event_log

log = event_log(__name__)


async def recorded(device: Device, asset: Asset, path: Path | None, runtime: Runtime) -> Device:
    """The device with its record in that file; None = the device itself.

    Raises: DeviceConfigError, if the file cannot be written.
    """
    if path is None:
        return device
    recording = RecordedDevice(asset, device, path, runtime)
    try:
        await recording.note("opened")
    except OSError as wrong:
        raise DeviceConfigError(f"asset {asset.name}: device.record: {path}: {wrong}") from wrong
    return recording


class RecordedDevice(Device):
    """Another device, each of whose answers and commands is a line of a file.

    A line that cannot be written later is left out, with one warning.
    """

    def __init__(self, asset: Asset, device: Device, path: Path, runtime: Runtime) -> None:
        self._asset_id = asset.id
        self._device = device
        self._path = path
        self._runtime = runtime
        self._lines = 0
        self._writing = trio.Lock()
        self._failing = False

    @property
    def limits(self) -> Limits:
        return self._device.limits

    async def read(self) -> Measurement:
        measured = await self._device.read()
        await self._try("read", p_mw=measured.p_mw, frequency_hz=measured.frequency_hz)
        return measured

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        took_mw = await self._device.apply(mw, ramp_mw_per_s)
        await self._try("told", mw=mw)
        return took_mw

    async def release(self) -> None:
        await self._device.release()
        await self._try("released")

    async def identify(self) -> Nameplate:
        return await self._device.identify()

    async def run(self) -> None:
        await self._device.run()

    async def note(self, did: str, **values: float | None) -> None:
        """Writes a line. Raises: OSError."""
        # A reading and a command may meet; their lines keep the order of their numbers.
        async with self._writing:
            self._lines += 1
            line = {
                "ts": format_us(self._runtime.wall_us()),
                "asset_id": self._asset_id,
                "n": self._lines,
                "did": did,
                **values,
            }
            data = json.dumps(line).encode() + b"\n"
            await self._runtime.run_blocking(lambda: _append(self._path, data))

    async def _try(self, did: str, **values: float | None) -> None:
        try:
            await self.note(did, **values)
        except OSError as failure:
            if not self._failing:
                log.warning(
                    "record of the device has holes", asset=self._asset_id, reason=str(failure)
                )
            self._failing = True
        else:
            self._failing = False


def _append(path: Path, data: bytes) -> None:
    # A pipe that nobody reads must not hold up the device.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(path, flags, 0o644)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
