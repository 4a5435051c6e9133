"""Driver ``simulated``: a seeded model of each kind of asset."""

import math
import random

import trio

from deragent.devices import (
    Asset,
    AssetKind,
    Device,
    DeviceConfigError,
    Driver,
    Limits,
    Measurement,
    Runtime,
)
from deragent.drivers.simulation.device_record import recorded
from deragent.drivers.simulation.models import (
    DAY_S,
    Battery,
    EvPool,
    Generator,
    Inputs,
    Load,
    Model,
    Output,
    Sky,
    Solar,
)
from deragent.drivers.simulation.response import Response
from deragent.drivers.simulation.simulated_options import SimulatedOptions

NOMINAL_V = 277.0
"""Line to neutral of a 480 V system."""
NOMINAL_HZ = 60.0

PIECE_S, MOST_PIECES = 1.0, 60
"""A command that changes is followed in pieces of a second, or of a 60th of the time."""

COMMON_CHARGER_MW = 0.022
"""A common charge point: 32 A of three phases at 400 V."""
USUAL_POINTS, MOST_POINTS = 20, 200
"""Most charge points of a pool, without and with ``charger_mw``. Those of a larger pool are
stronger, since each step visits every vehicle."""


def simulated_model(asset: Asset, options: SimulatedOptions, rng: random.Random) -> Model:
    """The asset's model in its first state.

    Raises: DeviceConfigError.
    """
    rated_mw, seed = asset.rated_mw, options.seed_of(asset)
    match asset.kind:
        case AssetKind.SOLAR:
            sky = Sky(
                seed,
                options.latitude,
                options.noon_utc_h * 3600,
                options.longitude,
                options.cloud_cover,
            )
            return Solar(rated_mw, sky, options.air_c)
        case AssetKind.BATTERY:
            if asset.energy_mwh is None:
                raise DeviceConfigError(f"asset {asset.name}: energy_mwh: a battery needs it")
            drawn = round(rng.uniform(0.35, 0.75), 3)
            # The loss of a round trip is split evenly.
            one_way = math.sqrt(options.efficiency)
            return Battery(
                rated_mw,
                asset.energy_mwh,
                drawn if options.soc is None else options.soc,
                one_way,
                one_way,
                options.taper,
                options.self_discharge_per_day,
            )
        case AssetKind.LOAD:
            return Load(
                rated_mw,
                seed,
                options.peak_utc_h * 3600,
                options.weekend_share,
                options.flexible_share,
            )
        case AssetKind.EV_CHARGER:
            most = USUAL_POINTS if options.charger_mw is None else MOST_POINTS
            charger_mw = max(options.charger_mw or COMMON_CHARGER_MW, rated_mw / most)
            charger_mw = min(charger_mw, rated_mw)
            return EvPool(rated_mw, charger_mw, seed, peak_s=options.arrivals_utc_h * 3600)
        case AssetKind.GENERATOR:
            if options.minimum_mw > rated_mw:
                text = f"write at most rated_mw, {rated_mw:g}"
                raise DeviceConfigError(f"asset {asset.name}: device.minimum_mw: {text}")
            # Half a minute from standstill to full power.
            ramp_mw_per_s = options.ramp_mw_per_s or rated_mw / 30
            return Generator(
                rated_mw, ramp_mw_per_s, options.minimum_mw, options.start_s, options.stop_s
            )


async def _open(asset: Asset, options: SimulatedOptions, runtime: Runtime) -> Device:
    device = SimulatedDevice(asset, options, runtime)
    return await recorded(device, asset, options.record, runtime)


class SimulatedDevice(Device):
    """A model that runs on Trio's clock and answers at once."""

    def __init__(self, asset: Asset, options: SimulatedOptions, runtime: Runtime) -> None:
        self._rng = options.noise_of(asset)
        self._reactive_share = -0.2 if asset.kind is AssetKind.LOAD else -0.04
        self._runtime = runtime
        self._limits = asset.limits
        self._response = Response(options.law_for(asset.kind))
        self._command_mw: float | None = None
        self._stepped_s = trio.current_time()
        model = simulated_model(asset, options, self._rng)
        self._model, self._output = model.step(Inputs(0.0, self._wall_s(), None))

    @property
    def limits(self) -> Limits:
        return self._limits

    async def read(self) -> Measurement:
        await trio.lowlevel.checkpoint()
        self._step()
        output = self._output
        return measured(output.p_mw, output, self._reactive_share, self._rng)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await trio.lowlevel.checkpoint()
        return self._tell(mw, ramp_mw_per_s)

    async def release(self) -> None:
        await trio.lowlevel.checkpoint()
        self._tell(None, None)

    def _tell(self, mw: float | None, ramp_mw_per_s: float | None) -> float:
        # The step up to now still follows the previous setpoint.
        self._step()
        self._response = self._response.told(mw, ramp_mw_per_s)
        self._step()
        return self._response.held_mw or 0.0

    def _step(self) -> None:
        """Brings model and output to the present, in pieces within which the command holds."""
        now_s, wall_s = trio.current_time(), self._wall_s()
        piece_s = max(PIECE_S, (now_s - self._stepped_s) / MOST_PIECES)
        while True:
            dt_s = min(now_s - self._stepped_s, self._response.due_s)
            if not self._response.arrived(self._command_mw):
                dt_s = min(dt_s, piece_s)
            self._stepped_s += dt_s
            at_s = wall_s - (now_s - self._stepped_s)
            self._advance(dt_s, at_s)
            before_mw, at = self._command_mw, self._output
            self._response, self._command_mw = self._response.step(dt_s, at.p_mw, at.own_mw)
            if self._command_mw != before_mw:
                self._advance(0.0, at_s)
            if self._stepped_s >= now_s and self._response.due_s > 0.0:
                return

    def _advance(self, dt_s: float, at_s: float) -> None:
        self._model, self._output = self._model.step(Inputs(dt_s, at_s, self._command_mw))

    def _wall_s(self) -> float:
        return self._runtime.wall_us() / 1e6


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
