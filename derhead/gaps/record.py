"""What the journal keeps of a hole in an asset's history: pure."""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID, uuid5


class Cause(Enum):
    """Why samples are missing. API and journal use the values."""

    LINK = "link"
    """Agent and headend could not reach each other."""
    AGENT_RESTART = "agent_restart"
    """The agent was not running, and lost the samples that it held only in memory."""
    HEADEND_RESTART = "headend_restart"
    """The headend was not running."""
    OVERFLOW = "overflow"
    """The agent's outbox was full and dropped its oldest samples."""
    DEVICE = "device"
    """The agent was connected and measured nothing. Its device did not answer, or its process or
    host stood still for less than the silence after which the headend ends a session."""
    REFUSED = "refused"
    """The headend refused the samples, because another agent held the asset."""
    CLOCK = "clock"
    """The agent's clock was set forward: time is missing, but no sample."""
    NONE = "none"
    """Nothing is missing after all. No query shows such a record."""


@dataclass(frozen=True, slots=True)
class GapRecord:
    """A stretch of an asset's history without samples, or one that was filled since.

    Times are microseconds since the epoch, by the clock of the agent that measured.
    """

    id: str
    asset_id: str
    agent_id: str | None
    """Who measured the last sample before it, or reported the gap."""
    start_us: int
    """The last sample before; of a gap that an agent reported the first that is missing."""
    end_us: int | None
    """The first sample after; of one reported the last that is missing. None while it lasts."""
    cause: Cause
    rows: int | None
    """Samples that are missing, where an agent said so."""
    backfilled: bool
    """Whether samples that came later have closed it."""
    filled_us: int | None
    """Up to where they have closed it so far."""
    revision: int
    """From 1; of two records of one gap the higher is the newer."""
    noticed_us: int
    """When the headend first knew of it, by its own clock."""


_NAMESPACE = UUID("3f0d5a0e-58f5-4f5c-9a54-6a5e7f5b6c11")


def hole_id(asset_id: str, start_us: int) -> str:
    """The id of the gap that begins after that sample: known twice, it is one."""
    return str(uuid5(_NAMESPACE, f"{asset_id}/{start_us}"))


def report_id(agent_id: str, boot_id: int, number: int) -> str:
    """The id of a gap that an agent reported; it looks like no other."""
    return f"{agent_id}/{boot_id}/{number}"


def is_reported(gap_id: str) -> bool:
    """Whether ``report_id`` made it."""
    return "/" in gap_id
