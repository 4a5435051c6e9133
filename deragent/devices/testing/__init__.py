"""A conformance suite for drivers: what the agent relies on, tried on a device and its equipment.

A driver's own tests bring a ``DeviceBench`` and call ``check_conformance``, or one check after the
other. Like ``trio.testing.check_one_way_stream``, a check is a plain async function: any test
runner for Trio will do, and so will a mock clock.

From the ground up: ``device_bench`` (what the tests bring), ``interruption`` (cancels a call at any
of its awaits), ``rules`` (what must hold of one answer), ``conformance`` (the checks).
"""

from deragent.devices.testing.conformance import (
    check_cancellation,
    check_closing,
    check_conformance,
    check_local_control,
    check_orders,
    check_overlap,
    check_ramps,
    check_readings,
    check_troubles,
)
from deragent.devices.testing.device_bench import DeviceBench, OpenBench
from deragent.devices.testing.rules import NotConforming

__all__ = [
    "DeviceBench",
    "NotConforming",
    "OpenBench",
    "check_cancellation",
    "check_closing",
    "check_conformance",
    "check_local_control",
    "check_orders",
    "check_overlap",
    "check_ramps",
    "check_readings",
    "check_troubles",
]
