"""Simulated devices: a seeded model of each kind, and a replayed day of sun.

From the ground up: ``physics`` (the models), ``ramp`` (a setpoint on its way), ``simulated`` and
``replay`` (the drivers), ``device_record`` (a device that keeps a record of its own).
"""

from deragent.drivers.simulation.device_record import open_recorded
from deragent.drivers.simulation.replay import open_replay
from deragent.drivers.simulation.simulated import SimulatedDevice

__all__ = ["SimulatedDevice", "open_recorded", "open_replay"]
