"""SunSpec's information models: their definitions, and their values in a device's registers.

From the ground up: ``model_definitions`` (as pysunspec2 brings them), ``point_values`` (registers
to values and back), ``read_plan`` (as few reads as possible), ``model_layout`` (where the points of
one device's model are), ``model_list`` (finds a device's models), ``measured_points`` (which points
an agent measures). All but the loading of definitions is pure.
"""
