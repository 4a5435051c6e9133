"""Figures for Prometheus, of both daemons: families of metrics, the text, and the process itself.

From the ground up: ``histogram`` · ``families`` (metrics from plain numbers) · ``exposition`` (the
text of all) and ``metrics_port`` (a port for it) · ``loop_lag`` · ``process_figures`` and
``process_watch`` (the process as its loop and the kernel see it).

Labels have few values, known ahead: reasons, kinds and states. No label names an asset, an agent,
a site, a path or an address, so that a large fleet has no more series than a small one.
"""
