"""Driver ``modbus``: devices described by a map of their registers in YAML, over Modbus TCP.

From the ground up: ``mapped_values`` (registers to values and back), ``register_map`` (what a map
says), ``reading_by_map``, ``steering_by_map``, ``map_points``, ``map_commands`` and ``map_file``
(the YAML, with every mistake in it), ``map_names`` (maps that ship, and files),
``mapped_options``, ``mapped_unit`` (the wire), ``mapped_probe``, ``mapped_device`` and
``mapped_driver``. Up to ``steering_by_map`` everything is pure. The folder ``maps`` has the maps
that ship.
"""

from deragent.drivers.modbus.mapped_driver import MODBUS

__all__ = ["MODBUS"]
