"""A solar park: irradiance and temperature become power. Pure."""

from dataclasses import dataclass
from typing import Self

from deragent.drivers.simulation.models.model import Inputs, Output, curtailed
from deragent.drivers.simulation.models.sky import Sky

DC_TO_AC = 1.3
"""Rating of the modules by that of the inverters, as utilities build now."""
NOCT_C = 45.0
"""Temperature of the cells under 800 W/m2 at 20 degrees C."""
PER_DEGREE = -0.0047
"""Change of power with the temperature of the cells, PVWatts' standard module."""
LOSSES = 0.14
"""Soiling, wiring, mismatch and others, PVWatts' default."""
NOMINAL_EFFICIENCY, REFERENCE_EFFICIENCY = 0.96, 0.9637
"""Of the inverter, PVWatts' defaults."""


def cell_c(irradiance_w_m2: float, air_c: float) -> float:
    """Temperature of the cells, degrees C.

    R. G. Ross, "Interface design considerations for terrestrial solar cell modules", 12th IEEE
    Photovoltaic Specialists Conference, 1976.
    """
    return air_c + (NOCT_C - 20.0) / 800.0 * irradiance_w_m2


def plant_mw(rated_mw: float, irradiance_w_m2: float, air_c: float) -> float:
    """What a plant can give, MW, 0..``rated_mw``, the rating of its inverters.

    A. P. Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014: modules, losses, inverter.
    """
    warmth = 1.0 + PER_DEGREE * (cell_c(irradiance_w_m2, air_c) - 25.0)
    dc_mw = rated_mw * DC_TO_AC * irradiance_w_m2 / 1000.0 * warmth * (1.0 - LOSSES)
    load = dc_mw * NOMINAL_EFFICIENCY / rated_mw
    if load <= 0.0:
        return 0.0
    efficiency = -0.0162 * load - 0.0059 / load + 0.9858
    ac_mw = dc_mw * NOMINAL_EFFICIENCY / REFERENCE_EFFICIENCY * efficiency
    return min(max(ac_mw, 0.0), rated_mw)


@dataclass(frozen=True, slots=True)
class Solar:
    """A park of level modules. A command curtails it."""

    rated_mw: float
    sky: Sky
    air_c: float = 20.0
    """Temperature of the air, degrees C."""

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        irradiance_w_m2 = self.sky.irradiance_w_m2(inputs.at_s)
        available_mw = plant_mw(self.rated_mw, irradiance_w_m2, self.air_c)
        return self, curtailed(available_mw, inputs.command_mw)
