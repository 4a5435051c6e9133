"""Starts agents, reads their output, restarts those that die, and stops all in time.

From the ground up: ``fleet_events`` (what can happen to an agent), ``output_lines`` (lines of its
output), ``restarts`` (when it starts again), ``guard`` (ends the agents of a killed launcher)
and ``guard_watch`` (starts and watches it);
above them ``processes`` (a process for each agent) and ``in_process`` (all in one loop).
"""
