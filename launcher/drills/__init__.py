"""Drills: which faults strike a fleet, and when, as a plan file says and a seed draws.

From the ground up: ``drill_times`` (times of a plan), ``fault_kinds`` (faults and victims),
``promise`` (what is judged), ``drill_plan`` (a plan), ``plan_file`` (reads one), ``timetable``
(draws its faults). The folder ``plans`` holds the plans that ship.
"""
