"""The reasons for which sessions end, for the journal, the agent and the stream's status: pure."""

import math
from dataclasses import dataclass

from grpclib import Status

from derhead.gaps import HoleCause
from derproto.der.v1 import GoodbyeReason

DUPLICATE_BACKOFF_MS = 30_000
"""Milliseconds after which two agents with one id may reconnect."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a session ends, for the journal, the agent and its gRPC status."""

    reason: str
    goodbye: GoodbyeReason | None = None
    detail: str = ""
    reconnect_after_ms: int = 0
    status: Status = Status.OK
    silence: HoleCause = HoleCause.LINK
    """Why its assets are silent afterwards."""


CLOSED_BY_AGENT = End("closed by agent", silence=HoleCause.AGENT_RESTART)
CONNECTION_LOST = End("connection lost")
BROKEN_MESSAGE = End("protocol error")
"""The received bytes were no message; the link has sent the stream's status."""
INTERNAL_ERROR = End("internal error")
SLOW_READER = End(
    "slow reader", GoodbyeReason.SLOW_READER, "the agent read nothing for a whole period of Alive"
)

UNREAD_ACKS = End(
    "slow reader", GoodbyeReason.SLOW_READER, "the agent left too many acknowledgements unread"
)


def protocol_error(detail: str) -> End:
    """The agent broke the protocol; ``detail`` names the field."""
    return End(
        "protocol error",
        GoodbyeReason.PROTOCOL_ERROR,
        detail,
        status=Status.INVALID_ARGUMENT,
    )


def silent(limit_s: float) -> End:
    """The agent was silent for the limit, seconds."""
    return End(
        "silent",
        GoodbyeReason.SILENT,
        f"nothing heard for {limit_s:g} s",
        status=Status.DEADLINE_EXCEEDED,
    )


def no_asset(max_sessions: int) -> End:
    """The session was granted no asset, and another one needs its place."""
    return End(
        "no asset",
        detail=f"{max_sessions} sessions are open, and this one was granted no asset",
        status=Status.RESOURCE_EXHAUSTED,
    )


def busy(wait_s: float) -> End:
    """Too many agents register at once; this one has its turn in so many seconds."""
    return End(
        "busy",
        GoodbyeReason.BUSY,
        f"too many agents register at once; register again in {wait_s:.1f} s",
        reconnect_after_ms=math.ceil(wait_s * 1000),
        status=Status.RESOURCE_EXHAUSTED,
    )


DRAINING = End(
    "draining",
    GoodbyeReason.DRAINING,
    "the headend is stopping",
    silence=HoleCause.HEADEND_RESTART,
)
SUPERSEDED = End(
    "superseded", GoodbyeReason.SUPERSEDED, "a newer session of this agent_id took over"
)
DUPLICATE = End(
    "duplicate id",
    GoodbyeReason.DUPLICATE_ID,
    "several agents use this agent_id; give each its own",
    reconnect_after_ms=DUPLICATE_BACKOFF_MS,
)
FLEET_CHANGED = End(
    "fleet changed",
    GoodbyeReason.FLEET_CHANGED,
    "the headend's assets.yaml changed what this agent may hold; register again",
)
TOKEN_ENDED = End(
    "token ended",
    detail="authorization: the token was revoked or has expired; use a good one",
    status=Status.UNAUTHENTICATED,
)
SILENCED = End(
    "silent",
    GoodbyeReason.SILENT,
    "this session was silent, and another agent took over one of its assets",
)

END_REASONS = (
    CLOSED_BY_AGENT.reason,
    CONNECTION_LOST.reason,
    BROKEN_MESSAGE.reason,
    INTERNAL_ERROR.reason,
    SLOW_READER.reason,
    SILENCED.reason,
    no_asset(0).reason,
    DRAINING.reason,
    SUPERSEDED.reason,
    DUPLICATE.reason,
    FLEET_CHANGED.reason,
    TOKEN_ENDED.reason,
)
"""Every reason for which a session of this headend ends."""

HEADEND_ENDED = "headend ended"
"""What the journal says of sessions that the end of the headend left open."""


def silence_after(reason: str | None) -> HoleCause:
    """Why assets are silent after a session that ended for that reason, as the journal has it."""
    if reason in (None, HEADEND_ENDED, DRAINING.reason):
        return HoleCause.HEADEND_RESTART
    return CLOSED_BY_AGENT.silence if reason == CLOSED_BY_AGENT.reason else HoleCause.LINK
