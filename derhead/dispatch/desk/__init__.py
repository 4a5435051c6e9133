"""The desk: one task that owns every open dispatch, journals each change and then acts on it.

From the ground up: ``book`` (what the desk holds) · ``inputs`` (what it decides on) · ``inbox``
(where inputs wait) and ``planning`` (what a batch of inputs changes) · ``dispatch_desk`` (the
task).
"""
