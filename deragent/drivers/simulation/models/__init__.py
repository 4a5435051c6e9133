"""Models of devices, one a kind: pure functions of time, command and seed, each with its source.

From the ground up: ``model`` (what all share), ``wandering`` (noise), ``sky`` (sun and clouds),
``solar``, ``battery``, ``ev_pool``, ``load``, ``generator``.
"""

from deragent.drivers.simulation.models.battery import Battery
from deragent.drivers.simulation.models.ev_pool import EvPool
from deragent.drivers.simulation.models.generator import Generator
from deragent.drivers.simulation.models.load import Load
from deragent.drivers.simulation.models.model import (
    DAY_S,
    Inputs,
    Model,
    Output,
    approach,
    curtailed,
)
from deragent.drivers.simulation.models.sky import Sky
from deragent.drivers.simulation.models.solar import Solar

__all__ = [
    "DAY_S",
    "Battery",
    "EvPool",
    "Generator",
    "Inputs",
    "Load",
    "Model",
    "Output",
    "Sky",
    "Solar",
    "approach",
    "curtailed",
]
