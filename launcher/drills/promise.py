"""The promises that a drill judges: pure."""

from enum import StrEnum


class Promise(StrEnum):
    """The promises, in the order of the verdict."""

    TELEMETRY = "telemetry"
    """While an agent is connected, its newest sample at REST is at most 10 s old."""
    DISPATCH = "dispatch"
    """While an agent is connected, its device is told an order within 2 s."""
    BACK = "back"
    """After a fault, every agent that it struck is back in time, with fresh telemetry."""
    SAMPLES = "samples"
    """Every reading is in the history once and unchanged, but for what a kill of its agent costs:
    readings of the last 10 s."""
    ORDERS = "orders"
    """Every acknowledged order is known after the drill, and its end agrees with its device."""
    ONCE = "once"
    """No device is told an order twice, unless it left the order in between."""
    WINDOWS = "windows"
    """No device is told an order after the end of its window, or follows it beyond."""
    FAILSAFE = "failsafe"
    """Under a silent headend each device retreats when and how its failsafe says, follows its
    order again afterwards, and leaves no order otherwise."""
    EVENTS = "events"
    """A reader of ``/events`` that resumes after each break gets each event of the orders once and
    in order, and misses none."""
    PROCESSES = "processes"
    """No process ends that no fault ended."""
    GAPS = "gaps"
    """Every hole in a history is in the gap ledger, and every gap has a fault that explains it."""
