"""What every daemon stands on: clocks and blocking work, logs, signals, the terminal.

From the ground up: ``runtime`` (wall time, blocking work, shields), ``timefmt`` and ``windows``
(times and spans of time), ``stopping`` and ``systemd``, ``file_watch`` and ``reloading``
(files that change), ``addresses``, ``log_repeats``, ``log_lines``, ``log_events`` and ``logs``,
``terminal``, ``command`` (from an error to lines on stderr and an exit code).
"""
