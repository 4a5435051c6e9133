"""What a process writes for people: log lines and errors on stderr, answers on stdout.

From the ground up: ``log_repeats``, ``log_lines``, ``log_events`` and ``logs`` (a thread writes
them, no task waits), ``terminal`` (tables and colours), ``command`` (from an error to lines on
stderr and an exit code).
"""
