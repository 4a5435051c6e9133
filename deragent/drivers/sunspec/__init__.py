"""Driver ``sunspec``: devices with SunSpec's information models, over Modbus TCP.

From the ground up: ``model_definitions`` (as pysunspec2 brings them), ``point_values`` (registers
to values and back), ``model_layout`` (where the points of one device's model are), ``model_list``
(finds a device's models), ``measured_points``, ``power_control`` (what steers it), ``device_map``
(what it offers), ``sunspec_options``, ``unit_reader`` (the wire), ``probing`` (for whoever installs
it), ``sunspec_device`` and ``sunspec_driver``. Up to ``device_map`` everything but the loading of
definitions is pure.
"""

from deragent.drivers.sunspec.sunspec_driver import SUNSPEC

__all__ = ["SUNSPEC"]
