"""Simulated devices: a seeded model of each kind, and a replayed day of sun.

From the ground up: ``models``, ``response`` (how a device answers its setpoints),
``common_options`` and ``simulated_options``, ``device_record`` (a device that keeps a record of
its own), ``simulated`` and ``replay`` (the drivers).
"""

from deragent.drivers.simulation.replay import REPLAY
from deragent.drivers.simulation.simulated import SIMULATED, SimulatedDevice

__all__ = ["REPLAY", "SIMULATED", "SimulatedDevice"]
