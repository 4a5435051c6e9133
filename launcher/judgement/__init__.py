"""The judgement on a drill: which promises were kept, by what its observers saw. Pure.

From the ground up: ``evidence`` (what was seen), ``fault_times`` (when a fault may explain
trouble), ``case_book`` (cases of one promise); above them a module for each group of promises:
``telemetry_promises``, ``order_promises``, ``event_promise``, ``failsafe_promise``,
``sample_promises`` and ``process_promise``; ``drill_verdict`` puts them together.
"""
