"""The part of the headend that several endpoints use.

Each module of ``routes`` adds the part that it alone uses.

A class that needs several of these lists them in this order: ``HeadendParts`` inherits from all,
and Python wants one order.
"""

from typing import Protocol

from derhead.history import Histories
from derproto.configuration.fleet import Fleet


class HasFleet(Protocol):
    @property
    def fleet(self) -> Fleet: ...


class KnowsAgents(Protocol):
    """Which agents there are and were, and which assets they hold."""

    def holder(self, asset_id: str) -> str | None:
        """The connected agent that holds the asset; None if none does."""

    def last_holder(self, asset_id: str) -> str | None:
        """The agent that holds the asset, or held it last; None if none ever did."""

    def knows_agent(self, agent_id: str) -> bool:
        """Whether the agent ever had a session."""


class HasClock(Protocol):
    def wall_us(self) -> int:
        """Now, microseconds since the epoch, UTC."""


class HasHistory(Protocol):
    @property
    def history(self) -> Histories:
        """The stored records, newest first. Queries raise BadCursor and JournalError."""
