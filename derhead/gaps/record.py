"""The record of a gap, as the journal keeps it. Pure."""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID, uuid5


class HoleCause(Enum):
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
    host stood still, but too briefly for the headend to end the session."""
    REFUSED = "refused"
    """The headend refused the samples, because another agent held the asset."""
    CLOCK = "clock"
    """The agent's clock was set forward: time is missing, but no sample."""
    NONE = "none"
    """Nothing is missing after all. No query shows such a record."""


@dataclass(frozen=True, slots=True)
class GapRecord:
    """A stretch of an asset's history without samples, or one that backfill has closed.

    Times are microseconds since the epoch, by the clock of the agent that measured.
    """

    id: str
    asset_id: str
    agent_id: str | None
    """The agent that measured the last sample before it, or that reported it."""
    start_us: int
    """Time of the last sample before it; if an agent reported it, of the first missing sample."""
    end_us: int | None
    """Time of the first sample after it; if an agent reported it, of the last missing sample.
    None = it lasts."""
    cause: HoleCause
    rows: int | None
    """Missing samples, if an agent counted them."""
    backfilled: bool
    """Whether later samples have closed it."""
    filled_us: int | None
    """The time up to which later samples have closed it so far."""
    revision: int
    """From 1. Of two records of one gap, the one with the higher revision is newer."""
    noticed_us: int
    """When the headend first noticed it, by the headend's clock."""


FOREVER_US = 2**62
"""Later than all times."""


def rank(revision: int, end_us: int | None) -> tuple[int, int]:
    """The rank of a record among those of one gap: the highest is right.

    Of two ends in one revision, the earlier is right: a killed agent may have forgotten that its
    device had answered. The stores decide likewise.
    """
    return revision, -(FOREVER_US if end_us is None else end_us)


_NAMESPACE = UUID("3f0d5a0e-58f5-4f5c-9a54-6a5e7f5b6c11")


def hole_id(asset_id: str, start_us: int) -> str:
    """The id of the gap after that sample: the same sample always gives the same id."""
    return str(uuid5(_NAMESPACE, f"{asset_id}/{start_us}"))


def report_id(agent_id: str, boot_id: int, number: int) -> str:
    """The id of a gap that an agent reported. No other id contains a slash."""
    return f"{agent_id}/{boot_id}/{number}"


def is_reported(gap_id: str) -> bool:
    """Whether ``report_id`` made the id, which means that an agent reported the gap."""
    return "/" in gap_id
