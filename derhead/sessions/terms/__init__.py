"""The terms of a session: its limits, its record in the journal, its reasons to end.

All of it is pure. From the ground up: ``session_limits``, ``session_records`` and ``ends``;
``refusals``.
"""
