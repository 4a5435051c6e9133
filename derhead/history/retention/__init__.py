"""Retention: what the journal forgets, and when it must stop growing.

From the ground up: ``policy`` (what goes when), ``measuring`` and ``deleting`` (SQL), ``sweeper``
(the task).
"""
