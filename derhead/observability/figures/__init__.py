"""Figures: the counters of the headend's parts as metrics, and as checks where one is due.

From the ground up: ``fleet_sums`` (the sums of a round through the fleet) · ``census`` (the task
that makes the rounds) · ``bound_figures``, ``certificate_figures``, ``exposure_figures``,
``feed_figures``, ``fleet_figures``, ``journal_figures``, ``level_figures``, ``link_figures`` and
``live_figures``, one for each part.
"""
