"""What a script for the two daemons may say."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Wait:
    """Time goes by."""

    for_s: float


@dataclass(frozen=True)
class Give:
    """An order is given."""

    start_in_s: float | None = None
    duration_s: float | None = None
    priority: int = 128
    expires_in_s: float | None = None
    beyond: bool = False
    """More than the agent lets its device do."""


@dataclass(frozen=True)
class Withdraw:
    """The order given so many orders ago is cancelled, if it has not ended."""

    ago: int


@dataclass(frozen=True)
class Cut:
    """Every connection is gone, with what was on its way."""


@dataclass(frozen=True)
class Refuse:
    """For so long nobody gets through; connections that are open stay."""

    for_s: float


@dataclass(frozen=True)
class Stall:
    """For so long no byte gets through; then they all do."""

    for_s: float


@dataclass(frozen=True)
class KillAgent:
    """The agent's process is gone, and started anew after so long, its clock moved."""

    for_s: float
    clock_moves_s: float = 0.0
    new_boot: bool = False
    """Whether its whole machine is started anew."""


@dataclass(frozen=True)
class KillHeadend:
    """The headend's process is gone, and started anew after so long."""

    for_s: float


@dataclass(frozen=True)
class Upset:
    """For so long the device is slow, refuses, or takes commands and does not answer."""

    how: str
    for_s: float


Act = Wait | Give | Withdraw | Cut | Refuse | Stall | KillAgent | KillHeadend | Upset


@dataclass(frozen=True)
class Script:
    """A run."""

    acts: Sequence[Act]
    failsafe_s: float = 60.0
    clock_s: float = 0.0
    """The agent's clock minus the headend's."""
    seed: int = 0
