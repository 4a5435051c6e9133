"""What the acceptance test asks of its surroundings, and what these answer: values only, pure.

Times are monotonic seconds. Power is MW, positive = generation.
"""

from dataclasses import dataclass

from deragent.devices import Limits, Nameplate


@dataclass(frozen=True, slots=True)
class AskIdentity:
    """Ask the device what it is. The answer is ``Identity``."""


@dataclass(frozen=True, slots=True)
class TellPower:
    """Tell the device to hold that power; None = to control itself. The answer is ``Answer``."""

    mw: float | None


@dataclass(frozen=True, slots=True)
class ReadPower:
    """Read the device when the next reading is due. The answer is ``PowerReading``."""


@dataclass(frozen=True, slots=True)
class WithholdRenewals:
    """End the driver's own task as a dying agent does, and read with a new one.

    The answer is ``Done``.
    """


@dataclass(frozen=True, slots=True)
class LetAgentSteer:
    """Have the agent's own controller hold that power for a headend. The answer is ``Done``."""

    mw: float
    failsafe_after_s: float


@dataclass(frozen=True, slots=True)
class CutLink:
    """Let the controller hear nothing of its headend any more. The answer is ``Done``."""


@dataclass(frozen=True, slots=True)
class EndAgent:
    """End the controller. The answer is ``Done``."""


Act = AskIdentity | TellPower | ReadPower | WithholdRenewals | LetAgentSteer | CutLink | EndAgent


@dataclass(frozen=True, slots=True)
class Identity:
    """What the device says of itself."""

    at_s: float
    nameplate: Nameplate
    limits: Limits
    """The setpoints that it accepts."""
    reversion_s: float | None
    failure: str = ""
    """Why it said nothing; empty if it answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How the device took a power."""

    at_s: float
    """When it was told."""
    done_s: float
    """When it had answered."""
    failure: str = ""
    local: bool = False
    """Whether it refused because someone at the site has control of it."""


@dataclass(frozen=True, slots=True)
class PowerReading:
    """One reading."""

    at_s: float
    p_mw: float | None = None
    soc: float | None = None
    local: bool = False
    fault: str = ""
    failure: str = ""
    """Why there is no reading; empty if the device answered."""


@dataclass(frozen=True, slots=True)
class Done:
    """It is done."""

    at_s: float


Fact = Identity | Answer | PowerReading | Done
