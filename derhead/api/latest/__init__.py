"""The newest telemetry as text, rendered once for all who ask.

Layers, from the ground up::

    latest_texts    each asset's JSON, kept until its sample changes
    telemetry_lane  plain requests for it, answered without Quart
"""
