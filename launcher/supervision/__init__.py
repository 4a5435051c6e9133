"""Agents that are started, listened to, started again, and stopped in time.

From the ground up: ``fleet_events`` (what can happen to an agent), ``output_lines`` (lines of its
output), ``restarts`` (when it starts again), ``guard`` (ends agents whose launcher was killed);
above them ``processes`` (a process for each agent) and ``in_process`` (all in one loop).
"""
