"""Output of a process for people: log lines and errors on stderr, answers on stdout.

From the ground up: ``log_repeats``, ``log_lines``, ``log_events`` and ``logs`` (a thread writes the
lines, no task waits), ``terminal`` (tables and colours), ``command`` (turns an error into lines on
stderr and an exit code).
"""
