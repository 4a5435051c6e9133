"""The reasons for which streams end before Welcome: pure."""

from enum import StrEnum

from grpclib import GRPCError, Status


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
    FULL = "full"
    """``max_sessions`` are open."""
    DRAINING = "draining"
    DUPLICATE_ID = "duplicate_id"
    """Several agents use the id."""
    CONNECTION_LOST = "connection_lost"


class RegisterRefused(GRPCError):
    """A stream that is refused, with its status."""

    def __init__(
        self, refusal: StreamRefusal, status: Status, detail: str, agent_id: str | None = None
    ) -> None:
        super().__init__(status, detail)
        self.refusal = refusal
        self.agent_id = agent_id
        """As the stream said; None = it did not say, or nothing that can be an id."""
