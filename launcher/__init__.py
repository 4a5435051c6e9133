"""Starts fleets of simulated agents, for bring-up, demonstrations and load.

From the ground up: ``fleets`` (which agent runs what), ``supervision`` (starts and restarts
agents), ``display`` (what people see of them), ``drills`` (which faults strike them, and when),
``running`` (puts them together), ``cli``.
"""
