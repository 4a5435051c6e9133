"""Starts fleets of simulated agents, for bring-up, demonstrations, load and drills.

From the ground up: ``fleets`` (which agent runs what), ``supervision`` (starts and restarts
agents), ``display`` (what people see of them), ``links`` (links that can be bad), ``drills``
(which faults strike, and when), ``judgement`` (which promises were kept), ``running`` (puts
fleets together), ``drilling`` (holds drills), ``cli``.
"""
