"""The options of the driver ``simulated``."""

from dataclasses import dataclass
from typing import Annotated

from deragent.devices import AssetKind, Number, Option
from deragent.drivers.simulation.common_options import CommonOptions
from deragent.drivers.simulation.response import ResponseLaw

_HOUR = Number(least=0, most=24, unit="hours UTC")
_SHARE = Number(least=0, most=1)
_SECONDS = Number(least=0, most=3600, unit="s")
_MW = Number(least=0, unit="MW")
_SOLAR = frozenset({AssetKind.SOLAR})
_BATTERY = frozenset({AssetKind.BATTERY})
_EV = frozenset({AssetKind.EV_CHARGER})
_LOAD = frozenset({AssetKind.LOAD})
_GENERATOR = frozenset({AssetKind.GENERATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOptions(CommonOptions):
    """The parameters of each kind's model, and how the device answers its setpoints."""

    noon_utc_h: Annotated[float, Option(_HOUR, "hour of the highest sun", of=_SOLAR)] = 19.0
    latitude: Annotated[
        float,
        Option(Number(least=-90, most=90, unit="degrees"), "positive is north", of=_SOLAR),
    ] = 37.5
    longitude: Annotated[
        float | None,
        Option(
            Number(least=-180, most=180, unit="degrees"),
            "positive is east; sets the hour of the highest sun",
            unset="noon_utc_h holds",
            of=_SOLAR,
        ),
    ] = None
    cloud_cover: Annotated[float, Option(_SHARE, "mean share of covered sky", of=_SOLAR)] = 0.4
    air_c: Annotated[
        float,
        Option(Number(least=-60, most=60, unit="degrees C"), "temperature of the air", of=_SOLAR),
    ] = 20.0
    soc: Annotated[
        float | None,
        Option(
            _SHARE,
            "state of charge at the start",
            unset="drawn from 0.35 to 0.75",
            of=_BATTERY,
        ),
    ] = None
    efficiency: Annotated[
        float,
        Option(
            Number(least=0.1, most=1),
            "efficiency of charging and discharging together",
            of=_BATTERY,
        ),
    ] = 0.88
    taper: Annotated[
        float,
        Option(
            Number(least=0, most=0.5),
            "share of its energy, next to full and next to empty, in which power falls to 0",
            of=_BATTERY,
        ),
    ] = 0.05
    self_discharge_per_day: Annotated[
        float, Option(Number(least=0, most=0.1), "share of its energy lost in a day", of=_BATTERY)
    ] = 0.0
    charger_mw: Annotated[
        float | None,
        Option(
            Number(least=0.001, unit="MW"),
            "power of one charge point, more if that would be over 200 points",
            unset="0.022, more if that would be over 20 points",
            of=_EV,
        ),
    ] = None
    arrivals_utc_h: Annotated[float, Option(_HOUR, "hour of most arrivals", of=_EV)] = 15.0
    peak_utc_h: Annotated[float, Option(_HOUR, "hour of the highest consumption", of=_LOAD)] = 1.0
    weekend_share: Annotated[
        float, Option(_SHARE, "consumption at weekends, by that of other days", of=_LOAD)
    ] = 0.85
    flexible_share: Annotated[
        float,
        Option(_SHARE, "share of consumption, and of what is left to rated_mw, to steer", of=_LOAD),
    ] = 1.0
    minimum_mw: Annotated[
        float, Option(_MW, "least power, for every setpoint above 0", of=_GENERATOR)
    ] = 0.0
    start_s: Annotated[
        float, Option(_SECONDS, "from the setpoint to the first power", of=_GENERATOR)
    ] = 0.0
    stop_s: Annotated[
        float, Option(_SECONDS, "from the last power until it can start again", of=_GENERATOR)
    ] = 0.0
    ramp_mw_per_s: Annotated[
        float | None,
        Option(
            Number(least=1e-6, unit="MW/s"),
            "its fastest change",
            unset="none; a generator's: rated_mw in 30 s",
        ),
    ] = None
    dead_time_s: Annotated[float, Option(_SECONDS, "time until a setpoint has an effect")] = 0.0
    open_loop_response_s: Annotated[
        float, Option(_SECONDS, "time to 90 % of a change, after the dead time")
    ] = 0.0
    resolution_mw: Annotated[
        float, Option(_MW, "steps of the setpoints that it holds, rounded towards 0")
    ] = 0.0
    deadband_mw: Annotated[
        float, Option(_MW, "a setpoint this close to the one before has no effect")
    ] = 0.0

    def law_for(self, kind: AssetKind) -> ResponseLaw:
        """How a device of that kind answers its setpoints. A generator's ramp is its machine's."""
        return ResponseLaw(
            dead_time_s=self.dead_time_s,
            open_loop_response_s=self.open_loop_response_s,
            ramp_mw_per_s=None if kind is AssetKind.GENERATOR else self.ramp_mw_per_s,
            resolution_mw=self.resolution_mw,
            deadband_mw=self.deadband_mw,
        )
