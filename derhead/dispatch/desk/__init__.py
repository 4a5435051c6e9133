"""The desk: one task that owns every open dispatch, journals each change and then acts on it.

From the ground up: ``book`` (the state) · ``inputs`` (what the desk decides on) · ``inbox`` (where
inputs wait) and ``draft`` (a plan in the making) · ``intake`` (what each input changes) and
``settling`` (what is sent then) · ``planning`` (both, for a batch), ``outcome_log`` and
``dispatch_tally`` (logged and counted) · ``dispatch_desk`` (the task).
"""
