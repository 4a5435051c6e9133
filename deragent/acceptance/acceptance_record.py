"""What the acceptance test ordered, measured and found: values only, pure."""

from dataclasses import dataclass, field
from enum import StrEnum

from deragent.acceptance.acceptance_acts import PowerReading
from deragent.acceptance.step_measures import StepMeasures
from deragent.devices import Nameplate
from derproto.configuration.fleet import StepResponse


class CheckName(StrEnum):
    """The checks, in their order."""

    NAMEPLATE = "nameplate"
    MEASUREMENT = "measurement"
    SIGNS = "signs"
    LIMITS = "limits"
    RESPONSE = "response"
    REVERSION = "reversion"
    FAILSAFE = "failsafe"
    RESTORED = "restored"


class CheckOutcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


class AcceptanceOutcome(StrEnum):
    """How the whole test ended."""

    PASSED = "passed"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    """No check failed, but the device could not be steered: repeat the test."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check's verdict, in words and figures."""

    name: CheckName
    outcome: CheckOutcome
    words: str
    figures: dict[str, float | str | None] = field(default_factory=dict)
    """By name; the name ends with the unit."""


def check_result(
    name: CheckName,
    outcome: CheckOutcome,
    words: str,
    figures: dict[str, float | str | None] | None = None,
) -> CheckResult:
    """A verdict, with or without figures."""
    return CheckResult(name, outcome, words, figures or {})


@dataclass(frozen=True, slots=True)
class OrderedPower:
    """What the device was told."""

    at_s: float
    mw: float | None
    """None = its own control."""


@dataclass(frozen=True, slots=True)
class StepTrial:
    """One order, and what followed until the power stood or time ran out."""

    check: CheckName
    order_s: float
    end_s: float
    mw: float
    target_mw: float
    """What the power should become: less than ``mw`` if sun or vehicles give no more."""
    band_mw: float
    settled: bool
    measures: StepMeasures | None


@dataclass(slots=True)
class AcceptanceRecord:
    """The test so far."""

    started_s: float = 0.0
    ended_s: float = 0.0
    nameplate: Nameplate = field(default_factory=Nameplate)
    orders: list[OrderedPower] = field(default_factory=list)
    readings: list[PowerReading] = field(default_factory=list)
    """At most one every ``SAMPLE_S`` over the whole test."""
    steps: list[StepTrial] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    began: dict[CheckName, float] = field(default_factory=dict)
    """When each check began."""
    response: StepResponse | None = None

    @property
    def result(self) -> AcceptanceOutcome:
        """The verdict on the device: a device that could not be steered now has none yet."""
        outcomes = {check.name: check.outcome for check in self.checks}
        if CheckOutcome.FAILED in outcomes.values():
            return AcceptanceOutcome.FAILED
        complete = len(outcomes) == len(CheckName)
        if complete and outcomes[CheckName.SIGNS] is CheckOutcome.PASSED:
            return AcceptanceOutcome.PASSED
        return AcceptanceOutcome.INCOMPLETE

    @property
    def passed(self) -> bool:
        """Whether the device was steered, and no check failed."""
        return self.result is AcceptanceOutcome.PASSED
