"""What every part stands on: clocks, blocking work and turns, times, addresses, private files.

From the ground up: ``runtime`` (wall time, blocking work, shields), ``turns`` (long work between
other tasks), ``timefmt`` and ``windows`` (times and spans of time), ``addresses``,
``private_files`` (keys, and what tells of tokens).
"""
