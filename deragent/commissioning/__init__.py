"""`deragent commission`: the acceptance test, done on a device.

From the ground up: ``steering_agent`` (the agent's own controller, with a link that is cut),
``device_rig`` (the device, told and read), ``conducting`` (the test on the device), ``early_end``
(keys and signals), ``commission`` (the command).
"""
