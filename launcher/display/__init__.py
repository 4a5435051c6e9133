"""What people see of a fleet: a line for each change, and the number of agents in each state.

From the ground up: ``fleet_status`` (texts and counts, pure), ``screen`` (writes them, and never
delays the agents).
"""
