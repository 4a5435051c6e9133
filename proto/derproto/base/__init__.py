"""What every part stands on: clocks and blocking work, times and spans of time, addresses.

From the ground up: ``runtime`` (wall time, blocking work, shields), ``timefmt`` and ``windows``
(times and spans of time), ``addresses``.
"""
