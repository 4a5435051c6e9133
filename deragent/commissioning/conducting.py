"""Conducts an acceptance test: asks the pure test what to do, and does it on the device."""

from collections.abc import Awaitable, Callable

import trio

from deragent.acceptance.acceptance_record import (
    AcceptanceRecord,
    CheckOutcome,
    CheckResult,
    check_result,
)
from deragent.acceptance.acceptance_sequence import CHECKS, MOST_S, Acceptance
from deragent.commissioning.device_rig import LEAVE_S, DeviceRig, OpenDevice, open_rig
from deragent.devices import open_device
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset
from derproto.stdio.log_events import event_log

log = event_log(__name__)

TOO_SLOW = f"the device answers so slowly that the test took more than {MOST_S - LEAVE_S:g} s"


async def conduct(
    asset: Asset,
    runtime: Runtime,
    *,
    wait_end: Callable[[], Awaitable[str]] | None = None,
    open_device: OpenDevice = open_device,
) -> tuple[AcceptanceRecord, str]:
    """The record of a test, and why it ended early; empty if it did not.

    It ends early as soon as ``wait_end`` returns a reason. The device is at its default
    afterwards, or the record says why it is not.

    Raises: DeviceConfigError. Cancellation: the device is told its default, within ``LEAVE_S``.
    """
    acceptance = Acceptance(asset, trio.current_time())
    reason = ""
    async with open_rig(asset, runtime, open_device) as rig:
        try:
            async with trio.open_nursery() as nursery:

                async def watch(wait: Callable[[], Awaitable[str]]) -> None:
                    nonlocal reason
                    reason = await wait()
                    nursery.cancel_scope.cancel()

                if wait_end is not None:
                    nursery.start_soon(watch, wait_end)
                # The test keeps this time by itself, unless its device is slow to answer.
                nursery.cancel_scope.deadline = trio.current_time() + MOST_S - LEAVE_S
                await _play(acceptance, rig)
                nursery.cancel_scope.cancel()
        finally:
            restored = await rig.leave()
    if reason:
        acceptance.end_early(reason, restored)
    elif len(acceptance.record.checks) <= len(CHECKS):
        acceptance.end_early(TOO_SLOW, _in_doubt(restored), by_device=True)
    elif restored.outcome is CheckOutcome.FAILED:
        acceptance.end_early("", restored)
    return acceptance.record, reason


def _in_doubt(restored: CheckResult) -> CheckResult:
    """The same, as a failure: nobody saw its power return."""
    return check_result(restored.name, CheckOutcome.FAILED, f"{restored.words}; {TOO_SLOW}")


async def _play(acceptance: Acceptance, rig: DeviceRig) -> None:
    walk, told = acceptance.run(), 0
    act = next(walk)
    while True:
        fact = await rig.do(act)
        try:
            act = walk.send(fact)
        except StopIteration:
            return
        finally:
            for check in acceptance.record.checks[told:]:
                log.info("checked", check=check.name, outcome=check.outcome, words=check.words)
            told = len(acceptance.record.checks)
