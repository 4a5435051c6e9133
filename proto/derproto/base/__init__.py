"""What every part stands on: clocks, blocking work and turns, times and spans of time, addresses.

From the ground up: ``runtime`` (wall time, blocking work, shields), ``timefmt`` and ``windows``
(times and spans of time), ``addresses``, ``turns`` (long work between other tasks).
"""
