"""Starts fleets of simulated agents, for bring-up, demonstrations and load.

From the ground up: ``fleets`` (which agent runs what), ``supervision`` (starts and restarts
agents), ``display`` (what people see of them), ``links`` (links that can be bad), ``drills``
(which faults strike, and when), ``running`` (puts them together), ``cli``.
"""
