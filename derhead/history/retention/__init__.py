"""Retention: what the journal forgets, and when it must not grow any more.

From the ground up: ``policy`` (what goes when), ``measuring`` and ``deleting`` (statements),
``sweeper`` (the task).
"""
