"""Figures of both daemons for Prometheus: families of metrics, their text, and the process itself.

From the ground up: ``histogram`` · ``families`` (metrics from plain numbers) · ``exposition`` (the
text of all metrics) and ``metrics_port`` (a port for the text) · ``loop_lag`` · ``process_figures``
and ``process_watch`` (figures of the process from its loop and the kernel).

Labels have few values, known ahead: reasons, kinds and states. No label names an asset, an agent,
a site, a path or an address, so that a large fleet has no more series than a small one.
"""
