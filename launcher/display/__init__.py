"""What people see of a fleet: a line for each change, and the number of agents in each state.

From the ground up: ``fleet_status`` (counts) and ``fleet_log`` (lines), both pure; ``screen``
(writes them, and never delays the agents), ``fleet_stage`` (all of them on standard output).
"""
