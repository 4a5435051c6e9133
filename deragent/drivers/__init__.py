"""Device drivers, a room each. The agent finds them by their entry points in ``pyproject.toml``.

A driver makes devices of ``deragent.devices`` and imports no other driver.
"""
