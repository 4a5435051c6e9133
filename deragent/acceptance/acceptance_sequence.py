"""The acceptance test of one device: which checks, in which order. Pure.

``Acceptance.run`` is a generator: it yields what to do, and is sent what came of it. It reads no
clock: each answer has its time. Whatever happens, it ends by returning the device to its default.
A device whose power goes the wrong way, or too far, is not sent to its limits.
"""

import math
from collections.abc import Callable

from deragent.acceptance import ending_checks, step_checks
from deragent.acceptance.acceptance_record import (
    AcceptanceRecord,
    CheckName,
    CheckOutcome,
    CheckResult,
    check_result,
)
from deragent.acceptance.acceptance_walk import AcceptanceEndedError, PowerWalk, Walk
from deragent.acceptance.equipment_under_test import RESTORE_S, EquipmentUnderTest
from deragent.devices import Asset

MOST_S = 600.0
"""The whole test."""

Check = Callable[[EquipmentUnderTest], Walk[CheckResult]]

CHECKS: tuple[tuple[CheckName, Check], ...] = (
    (CheckName.NAMEPLATE, step_checks.check_nameplate),
    (CheckName.MEASUREMENT, step_checks.check_measurement),
    (CheckName.SIGNS, step_checks.check_signs),
    (CheckName.LIMITS, step_checks.check_limit_steps),
    (CheckName.RESPONSE, step_checks.check_response),
    (CheckName.REVERSION, ending_checks.check_reversion),
    (CheckName.FAILSAFE, ending_checks.check_failsafe),
)
"""All but the last, which comes in any case."""


class Acceptance:
    """One test of one device."""

    def __init__(self, asset: Asset, started_s: float) -> None:
        self.record = AcceptanceRecord(started_s=started_s, ended_s=started_s)
        self._walk = PowerWalk(self.record, started_s + MOST_S - RESTORE_S)
        self._eut = EquipmentUnderTest(asset, self._walk)

    def run(self) -> Walk[None]:
        """The whole test. The record has what came of it, also before the end."""
        ended = ""
        for name, check in CHECKS:
            if ended:
                self._add(check_result(name, CheckOutcome.NOT_APPLICABLE, f"not tried: {ended}"))
                continue
            self.record.began[name] = self._walk.now_s
            try:
                result = yield from check(self._eut)
            except AcceptanceEndedError as why:
                ended = f"the test ended at {name}"
                result = check_result(name, CheckOutcome.FAILED, str(why))
            self._add(result)
        self._walk.give_time(math.inf)
        self.record.began[CheckName.RESTORED] = self._walk.now_s
        try:
            result = yield from ending_checks.check_restored(self._eut)
        except AcceptanceEndedError as why:
            result = check_result(CheckName.RESTORED, CheckOutcome.FAILED, str(why))
        self._add(result)

    def end_early(self, reason: str, restored: CheckResult, *, by_device: bool = False) -> None:
        """Gives the checks that were not over their verdicts, after an end from outside.

        ``by_device`` says that the device was to blame: the check that it cut off has failed.
        """
        self.record.checks = [
            each for each in self.record.checks if each.name is not CheckName.RESTORED
        ]
        done = {check.name for check in self.record.checks}
        for name, _ in CHECKS:
            if name not in done:
                outcome = CheckOutcome.FAILED if by_device else CheckOutcome.NOT_APPLICABLE
                words = reason if by_device else f"not tried: {reason}"
                self._add(check_result(name, outcome, words))
                by_device = False
        self._add(restored)

    def _add(self, result: CheckResult) -> None:
        self.record.checks.append(result)
        self.record.ended_s = self._walk.now_s
