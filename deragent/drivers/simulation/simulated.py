"""Driver ``simulated``: a seeded model of each kind of asset."""

import random
from dataclasses import dataclass
from typing import Annotated

import trio

from deragent.devices import (
    Asset,
    AssetKind,
    Device,
    DeviceConfigError,
    Driver,
    Limits,
    Measurement,
    Number,
    Option,
    Runtime,
)
from deragent.drivers.simulation.device_record import recorded
from deragent.drivers.simulation.physics import (
    DAY_S,
    Battery,
    EvCharger,
    Generator,
    Inputs,
    Load,
    Model,
    Output,
    Solar,
)
from deragent.drivers.simulation.ramp import Ramp
from deragent.drivers.simulation.simulation_options import SimulationOptions

NOMINAL_V = 277.0
"""Line to neutral of a 480 V system."""
NOMINAL_HZ = 60.0


_HOUR = Number(least=0, most=24, unit="hours UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOptions(SimulationOptions):
    """What a model starts with."""

    noon_utc_h: Annotated[
        float, Option(_HOUR, "hour of the highest sun", of=frozenset({AssetKind.SOLAR}))
    ] = 19.0
    soc: Annotated[
        float | None,
        Option(
            Number(least=0, most=1),
            "state of charge at the start",
            unset="drawn from 0.35 to 0.75",
            of=frozenset({AssetKind.BATTERY}),
        ),
    ] = None
    efficiency: Annotated[
        float,
        Option(
            Number(least=0.1, most=1),
            "efficiency of charging and discharging together",
            of=frozenset({AssetKind.BATTERY}),
        ),
    ] = 0.88
    peak_utc_h: Annotated[
        float, Option(_HOUR, "hour of the highest consumption", of=frozenset({AssetKind.LOAD}))
    ] = 1.0
    ramp_mw_per_s: Annotated[
        float | None,
        Option(
            Number(least=1e-6, unit="MW/s"),
            "its fastest change",
            unset="rated_mw in 30 s",
            of=frozenset({AssetKind.GENERATOR}),
        ),
    ] = None


def simulated_model(asset: Asset, options: SimulatedOptions, rng: random.Random) -> Model:
    """The asset's model in its first state.

    Raises: DeviceConfigError.
    """
    rated_mw = asset.rated_mw
    match asset.kind:
        case AssetKind.SOLAR:
            return Solar(rated_mw, noon_s=options.noon_utc_h * 3600)
        case AssetKind.BATTERY:
            if asset.energy_mwh is None:
                raise DeviceConfigError(f"asset {asset.name}: energy_mwh: a battery needs it")
            drawn = round(rng.uniform(0.35, 0.75), 3)
            soc = drawn if options.soc is None else options.soc
            return Battery(rated_mw, asset.energy_mwh, soc=soc, efficiency=options.efficiency)
        case AssetKind.LOAD:
            return Load(rated_mw, peak_s=options.peak_utc_h * 3600)
        case AssetKind.EV_CHARGER:
            return EvCharger(rated_mw, idle_s=rng.uniform(0.0, 1800.0))
        case AssetKind.GENERATOR:
            # Half a minute from standstill to full power.
            return Generator(rated_mw, options.ramp_mw_per_s or rated_mw / 30)


async def _open(asset: Asset, options: SimulatedOptions, runtime: Runtime) -> Device:
    device = SimulatedDevice(asset, options, runtime)
    return await recorded(device, asset, options.record, runtime)


class SimulatedDevice(Device):
    """A model that runs on Trio's clock and answers at once."""

    def __init__(self, asset: Asset, options: SimulatedOptions, runtime: Runtime) -> None:
        self._rng = options.noise_of(asset)
        self._model = simulated_model(asset, options, self._rng)
        self._reactive_share = -0.2 if asset.kind is AssetKind.LOAD else -0.04
        self._runtime = runtime
        self._limits = asset.limits
        self._command: Ramp | None = None
        self._stepped_s = trio.current_time()

    @property
    def limits(self) -> Limits:
        return self._limits

    async def read(self) -> Measurement:
        await trio.lowlevel.checkpoint()
        output = self._step()
        return measured(output.p_mw, output, self._reactive_share, self._rng)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await trio.lowlevel.checkpoint()
        # The step up to now still follows the previous command.
        before = self._step()
        self._command = Ramp(mw, trio.current_time(), before.p_mw, ramp_mw_per_s)
        return mw

    async def release(self) -> None:
        await trio.lowlevel.checkpoint()
        self._step()
        self._command = None

    def _step(self) -> Output:
        now_s = trio.current_time()
        inputs = Inputs(
            dt_s=now_s - self._stepped_s,
            day_s=second_of_day(self._runtime.wall_us()),
            command_mw=None if self._command is None else self._command.at(now_s),
            gauss=self._rng.gauss(),
            uniform=self._rng.random(),
        )
        self._stepped_s = now_s
        self._model, output = self._model.step(inputs)
        return output


def second_of_day(wall_us: int) -> float:
    """Seconds since midnight UTC, 0..86400, of a time in microseconds since the epoch."""
    return wall_us / 1e6 % DAY_S


def measured(
    p_mw: float | None, output: Output, reactive_share: float, rng: random.Random
) -> Measurement:
    """A meter's reading: the output with plausible electrical values around it.

    ``reactive_share`` is Mvar injected for each MW in either direction.
    """
    return Measurement(
        p_mw=p_mw,
        q_mvar=None if p_mw is None else reactive_share * abs(p_mw) * rng.uniform(0.9, 1.1),
        soc=output.soc,
        voltage_v=NOMINAL_V * (1 + rng.uniform(-0.01, 0.01)),
        frequency_hz=NOMINAL_HZ + rng.uniform(-0.02, 0.02),
        status=output.status,
    )


SIMULATED = Driver(
    summary="a model of each kind of asset",
    options=SimulatedOptions,
    open=_open,
)
