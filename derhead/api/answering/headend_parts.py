"""What several endpoints need of the headend. Each module of ``routes`` adds what it alone needs.

Who needs several of these lists them in this order, as ``HeadendParts`` inherits from all.
"""

from typing import Protocol

from derhead.history import Histories
from derproto.base.fleet import Fleet


class HasFleet(Protocol):
    @property
    def fleet(self) -> Fleet: ...


class KnowsAgents(Protocol):
    """Which agents there were, and who holds what."""

    def holder(self, asset_id: str) -> str | None:
        """The agent connected now that holds the asset."""

    def last_holder(self, asset_id: str) -> str | None:
        """The agent that holds the asset, or held it last."""

    def knows_agent(self, agent_id: str) -> bool:
        """Whether the agent ever had a session."""


class HasClock(Protocol):
    def wall_us(self) -> int:
        """Now, microseconds since the epoch, UTC."""


class HasHistory(Protocol):
    @property
    def history(self) -> Histories:
        """The stores' records, newest first. Its questions raise BadCursor and JournalError."""
