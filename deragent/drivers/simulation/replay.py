"""Driver ``replay``: a solar asset that repeats one measured day of irradiance.

Power is ``rated_mw`` at 1,000 W/m2, proportional below, and within 0..``rated_mw``. Power
between two minutes is interpolated, and unknown where the station measured nothing. A setpoint
curtails the power. Voltage and frequency have noise.
"""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import trio

from deragent.devices import (
    PATH,
    Asset,
    AssetKind,
    Device,
    DeviceConfigError,
    Driver,
    Limits,
    Measurement,
    Option,
    Runtime,
)
from deragent.drivers.simulation.common_options import CommonOptions
from deragent.drivers.simulation.device_record import recorded
from deragent.drivers.simulation.models import Output, curtailed
from deragent.drivers.simulation.response import Response
from deragent.drivers.simulation.simulated import measured, second_of_day
from derproto.base.timefmt import parse_us
from derproto.der.v1 import OperatingState

CARRIED_DAY = "alamosa-2016-01-01.csv"
FULL_SUN_W_M2 = 1000.0
MINUTES = 1440

Day = tuple[float | None, ...]
"""Irradiance of each minute of a day from 00:00 UTC, W/m2; None where it was not measured."""


def parse_day(lines: Iterable[str]) -> Day:
    """The day in a CSV; minutes that are not in it are unknown.

    Raises: ValueError that names the line.
    """
    rows = csv.DictReader(lines)
    missing = {"time_utc", "ghi_w_m2"} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"line 1: no column {min(missing)!r}")
    day: list[float | None] = [None] * MINUTES
    for row in rows:
        text = row["ghi_w_m2"]
        try:
            minute = int(second_of_day(parse_us(row["time_utc"])) // 60)
            value = float(text) if text else None
        except (TypeError, ValueError) as wrong:
            raise ValueError(f"line {rows.line_num}: {wrong}") from None
        day[minute] = value if value is not None and math.isfinite(value) else None
    return tuple(day)


def irradiance_at(day: Day, day_s: float) -> float | None:
    """Irradiance at a second of the day, interpolated between two minutes, W/m2."""
    minute, into_s = divmod(day_s % (MINUTES * 60), 60)
    before, after = day[int(minute)], day[(int(minute) + 1) % MINUTES]
    if before is None or (after is None and into_s > 0):
        return None
    return before if after is None else before + (after - before) * into_s / 60


def available_mw(rated_mw: float, irradiance_w_m2: float) -> float:
    """Power of a plant of that rating under the irradiance, MW, 0..``rated_mw``."""
    return min(max(rated_mw * irradiance_w_m2 / FULL_SUN_W_M2, 0.0), rated_mw)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions(CommonOptions):
    """The day that a device replays."""

    file: Annotated[
        Path | None,
        Option(
            PATH,
            "CSV of one day by minutes, columns time_utc and ghi_w_m2",
            unset="the day that comes with the agent",
        ),
    ] = None


def _load_day(file: Path | None) -> Day:
    path = file or files("deragent.drivers.simulation") / "data" / CARRIED_DAY
    return parse_day(path.read_text(encoding="utf-8").splitlines())


async def _open(asset: Asset, options: ReplayOptions, runtime: Runtime) -> Device:
    try:
        day = await runtime.run_blocking(partial(_load_day, options.file))
    except (OSError, ValueError) as wrong:
        text = f"asset {asset.name}: device.file: {options.file}: {wrong}"
        raise DeviceConfigError(text) from wrong
    device = ReplayDevice(asset, options, runtime, day)
    return await recorded(device, asset, options.record, runtime)


class ReplayDevice(Device):
    """A solar plant under the recorded irradiance."""

    def __init__(self, asset: Asset, options: ReplayOptions, runtime: Runtime, day: Day) -> None:
        self._day = day
        self._rated_mw = asset.rated_mw
        self._limits = asset.limits
        self._runtime = runtime
        self._rng = options.noise_of(asset)
        self._response = Response()
        self._stepped_s = trio.current_time()
        self._p_mw = 0.0

    @property
    def limits(self) -> Limits:
        return self._limits

    async def read(self) -> Measurement:
        await trio.lowlevel.checkpoint()
        output = self._output()
        if output is None:
            unknown = Output(0.0, OperatingState.UNSPECIFIED)
            return measured(None, unknown, 0.0, self._rng)
        return measured(output.p_mw, output, -0.04, self._rng)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await trio.lowlevel.checkpoint()
        # The way to the setpoint begins at the power of now.
        self._output()
        self._response = self._response.told(mw, ramp_mw_per_s)
        return mw

    async def release(self) -> None:
        await trio.lowlevel.checkpoint()
        self._response = self._response.told(None)

    def _output(self) -> Output | None:
        """What the plant gives now; None where the station measured nothing."""
        now_s = trio.current_time()
        dt_s, self._stepped_s = now_s - self._stepped_s, now_s
        irradiance = irradiance_at(self._day, second_of_day(self._runtime.wall_us()))
        own_mw = 0.0 if irradiance is None else available_mw(self._rated_mw, irradiance)
        self._response, command_mw = self._response.step(dt_s, self._p_mw, own_mw)
        output = curtailed(own_mw, command_mw)
        self._p_mw = output.p_mw
        return None if irradiance is None else output


REPLAY = Driver(
    summary="a solar park under one measured day of sun, again and again",
    options=ReplayOptions,
    open=_open,
    kinds=frozenset({AssetKind.SOLAR}),
)
