"""The acceptance test of a device: what it orders, which verdicts follow, how they are shown. Pure.

From the ground up: ``step_measures`` (a step response in figures), ``acceptance_acts`` (what the
test asks, and the answers), ``acceptance_record`` (what was ordered, measured and found),
``acceptance_levels`` (which powers to order), ``acceptance_walk`` (orders, and looks until the
power stands), ``equipment_under_test``, ``step_checks`` and ``ending_checks`` (the checks),
``acceptance_sequence`` (the test itself); ``acceptance_report``, ``power_plot`` and
``acceptance_page`` (its result).
"""
