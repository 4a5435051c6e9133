"""The reasons for which streams end before Welcome: pure."""

from dataclasses import dataclass
from enum import StrEnum

from grpclib import GRPCError, Status

from derhead.sessions.terms.ends import End


class StreamRefusal(StrEnum):
    """Why a stream got no Welcome."""

    NO_REGISTER = "no_register"
    """Nothing came in time."""
    INVALID_REGISTER = "invalid_register"
    """The first message was no Register, or a Register with a wrong value."""
    CERTIFICATE = "certificate"
    """The client's certificate does not allow the agent_id."""
    TOKEN = "token"
    """The agent's token is missing, not good, or for another."""
    SLOWED = "slowed"
    """Wrong tokens came from its address too often."""
    IDENTITY = "identity"
    """The agent_id was proven before, and this stream does not prove it as well."""
    TOO_OFTEN = "too_often"
    """The agent registers too often."""
    BUSY = "busy"
    """Too many agents register at once; the agent was told when to come back."""
    FULL = "full"
    """``max_sessions`` are open."""
    DRAINING = "draining"
    DUPLICATE_ID = "duplicate_id"
    """Several agents use the id."""
    CONNECTION_LOST = "connection_lost"


@dataclass(frozen=True, slots=True)
class AgentClaim:
    """The agent and the site that a stream claims to be, by its Register."""

    agent_id: str
    site_id: str | None
    """The site that it claims to be of; None = it claims none."""
    is_proven: bool = False
    """A certificate or a token shows that it is that agent."""


class RegisterRefused(GRPCError):
    """A stream that is refused, with its status."""

    def __init__(
        self,
        refusal: StreamRefusal,
        status: Status,
        detail: str,
        claim: AgentClaim | None = None,
        goodbye: End | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.refusal = refusal
        self.claim = claim
        """None = the stream did not say who it is, or nothing that can be an id."""
        self.goodbye = goodbye
        """The Goodbye to send before the status; None = there is none."""
