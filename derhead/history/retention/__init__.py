"""Retention: what the journal forgets, and when it must not grow any more.

From the ground up: ``policy`` (what goes when), ``deleting`` (statements), ``sweeper`` (the task).
"""
