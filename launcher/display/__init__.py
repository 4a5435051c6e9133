"""What people see of a fleet: a line for each change, and how many agents are in which state.

From the ground up: ``fleet_status`` (texts and counts, pure), ``screen`` (writes them without
ever holding up the agents).
"""
