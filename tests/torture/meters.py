"""Meters: devices that keep an account of every reading and every command.

A meter stands between the agent and the asset's usual driver. It writes each reading to a file
before the agent gets the reading. It also numbers the reading, in the last digits of the
frequency. The audit therefore knows what a device produced without asking the agent, and
recognises each reading in any store that keeps numbers whole.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from deragent.devices import Device, DeviceError, Measurement, open_device
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset, Limits

NOMINAL_HZ = 60.0
STEP_HZ = 1e-9
"""The frequency that one reading's number adds: too small to matter, too large for a double to
round away."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of a device, from its meter's account."""

    number: int
    """Counts the asset's readings from 1, over all lives of its agent."""
    at_us: int
    """The time just before the agent got the reading, microseconds since the epoch."""
    p_mw: float


@dataclass(frozen=True, slots=True)
class Account:
    """Everything that a meter wrote, in order."""

    readings: tuple[Reading, ...]
    applied_mw: tuple[float, ...]
    """Every power that the agent commanded."""
    failures: tuple[int, ...]
    """Times at which the device did not answer, microseconds since the epoch."""


def frequency_of(number: int) -> float:
    return NOMINAL_HZ + number * STEP_HZ


def number_of(frequency_hz: float) -> int:
    """The number of the reading with that frequency."""
    return round((frequency_hz - NOMINAL_HZ) / STEP_HZ)


def account_path(folder: Path, asset_id: str) -> Path:
    return folder / f"{asset_id}.account"


def broken_path(folder: Path, asset_id: str) -> Path:
    """The file whose presence keeps the asset's device from answering."""
    return folder / f"{asset_id}.broken"


def read_account(folder: Path, asset_id: str) -> Account:
    """Reads the account so far; empty for an asset without a meter yet."""
    path = account_path(folder, asset_id)
    text = path.read_text() if path.exists() else ""
    # The last line may be half written: its reading has not been handed out.
    words = [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return Account(
        readings=tuple(
            Reading(int(rest[0]), int(rest[1]), float(rest[2]))
            for kind, *rest in words
            if kind == "read"
        ),
        applied_mw=tuple(float(rest[0]) for kind, *rest in words if kind == "apply"),
        failures=tuple(int(rest[0]) for kind, *rest in words if kind == "failed"),
    )


class Meter(Device):
    """A device that keeps an account."""

    def __init__(self, device: Device, folder: Path, asset_id: str) -> None:
        self._device = device
        self._broken = broken_path(folder, asset_id)
        readings = read_account(folder, asset_id).readings
        self._number = readings[-1].number if readings else 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._account = os.open(account_path(folder, asset_id), flags, 0o644)

    @property
    def limits(self) -> Limits:
        return self._device.limits

    async def read(self) -> Measurement:
        measurement = await self._device.read()
        if self._broken.exists():
            self._write("failed", time.time_ns() // 1000)
            raise DeviceError("it is broken")
        # Nothing awaits from here on: the agent gets the written reading, or dies with it.
        self._number += 1
        numbered = replace(measurement, frequency_hz=frequency_of(self._number))
        self._write("read", self._number, time.time_ns() // 1000, repr(numbered.p_mw))
        return numbered

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await trio.lowlevel.checkpoint()
        self._write("apply", repr(mw))
        return await self._device.apply(mw, ramp_mw_per_s)

    async def release(self) -> None:
        await self._device.release()

    async def run(self) -> None:
        await self._device.run()

    def _write(self, *words: object) -> None:
        """Writes one line in one call, so that a kill never leaves half a line."""
        line = " ".join(map(str, words)) + "\n"
        assert os.write(self._account, line.encode()) == len(line)


async def open_metered(folder: Path, asset: Asset, runtime: Runtime) -> Device:
    """The asset's own device behind a meter. Raises: DeviceConfigError."""
    return Meter(await open_device(asset, runtime), folder, asset.id)
