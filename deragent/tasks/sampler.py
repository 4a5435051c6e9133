"""Measuring: a task for each asset, on the agent's grid, that never waits for the network."""

import math
from collections.abc import Callable
from dataclasses import replace

import trio

from deragent.devices import Device, DeviceError, Measurement
from deragent.tasks.agent_board import AgentBoard
from derproto.der.v1 import Health, OperatingState, QualityBit

READ_TIMEOUT_S = 5.0
"""Time for a device to answer, at most its period. When over, the device counts as unreachable,
and the row repeats its last answer, flagged ``stale_device``."""
_ROUNDING_S = 1e-6


def next_on_grid(now_s: float, period_s: float, phase: float) -> float:
    """The first point of the grid ``(k + phase) * period_s`` after ``now_s``.

    Units: seconds; ``phase`` 0..1.
    """
    due_s = (math.floor(now_s / period_s - phase) + 1 + phase) * period_s
    # Rounding may yield the present point.
    return due_s if due_s - now_s > _ROUNDING_S else due_s + period_s


async def sample_asset(
    asset_index: int,
    device: Device,
    board: AgentBoard,
    phase: float,
    on_reading: Callable[[Measurement], None] = lambda _reading: None,
) -> None:
    """Measures one device every telemetry period, for ever.

    All assets of an agent share the ``phase`` of the grid, 0..1: the samples of a site belong to
    one moment, and one message carries them. Each agent draws its own, so that agents spread over
    the period. A slow device skips the grid points that it overruns. A device that does not answer
    yields a row that repeats its last answer, flagged ``STALE_DEVICE``. A device that begins to
    answer is asked what it is. ``on_reading`` gets every answer, in place.
    """
    last = Measurement()
    identified = False
    while True:
        period_s = await _wait_for_grid(board, phase)
        timeout_s = min(period_s, READ_TIMEOUT_S)
        try:
            with trio.fail_after(timeout_s):
                last = await device.read()
        except (DeviceError, trio.TooSlowError) as failure:
            last = replace(last, status=OperatingState.UNSPECIFIED, health=Health.UNREACHABLE)
            board.devices.set_health(asset_index, last.health, _words(failure))
            board.add_sample(asset_index, last, QualityBit.STALE_DEVICE)
            identified = False
        else:
            board.devices.set_health(asset_index, last.health, last.fault)
            board.devices.set_local(asset_index, last.local)
            board.add_sample(asset_index, last, 0)
            on_reading(last)
            identified = identified or await _identify(asset_index, device, board, timeout_s)


async def _identify(asset_index: int, device: Device, board: AgentBoard, timeout_s: float) -> bool:
    """Asks the device what it is; returns whether it answered."""
    try:
        with trio.fail_after(timeout_s):
            nameplate = await device.identify()
    except (DeviceError, trio.TooSlowError):
        return False
    board.devices.set_nameplate(asset_index, nameplate)
    return True


async def _wait_for_grid(board: AgentBoard, phase: float) -> float:
    """Waits for the next point of the grid; returns its period. The period may change meanwhile."""
    while True:
        period_s = board.telemetry_period_s.value
        with trio.move_on_at(next_on_grid(trio.current_time(), period_s, phase)):
            await board.telemetry_period_s.wait_change()
            continue
        return period_s


def _words(failure: DeviceError | trio.TooSlowError) -> str:
    return str(failure) or "did not answer in time"
