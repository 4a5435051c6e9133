"""Figures: what the parts of the headend counted, as metrics, and as checks where one is due.

From the ground up: ``fleet_sums`` (what a round through the fleet sums up) · ``census`` (the task
that goes round) · ``bound_figures``, ``certificate_figures``, ``exposure_figures``,
``feed_figures``, ``fleet_figures``, ``journal_figures``, ``link_figures`` and ``live_figures``, one
for each part.
"""
