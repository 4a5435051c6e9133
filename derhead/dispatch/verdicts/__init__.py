"""Verdicts: how soon and how well an asset followed its dispatch, measured by its telemetry.

From the ground up: ``verdict`` (the measure, pure) · ``judging`` (the task).
"""
