"""What can happen to dispatches at the desk, and what the desk can do then. Values only: pure."""

from dataclasses import dataclass

from derhead.dispatch.desk.book import SessionLink
from derhead.dispatch.life.lifecycle import Reported
from derhead.dispatch.orders.idempotency import UsedKey
from derhead.dispatch.orders.order import DispatchGroup, Order

OrderRecord = DispatchGroup | UsedKey
"""What is journaled together with the dispatches of an order."""


class NotOpen(Exception):
    """No dispatch of that id is open: it has ended, or never was."""


class TooManyOpen(Exception):
    """The asset has as many open dispatches as it may: nothing was ordered."""


# --- what happens ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """Someone orders dispatches, all of them or none."""

    orders: tuple[tuple[str, Order], ...]
    """Each with the id that its dispatch shall have."""
    records: tuple[OrderRecord, ...] = ()
    """What is journaled with them, in the same commit."""


@dataclass(frozen=True, slots=True, eq=False)
class CancelAsked:
    """Someone withdraws a dispatch."""

    dispatch_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgentReport:
    """What an agent says of a dispatch of an asset."""

    asset_id: str
    dispatch_id: str
    reported: Reported


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """An agent registered, and this is all that it knows of its dispatches."""

    link: SessionLink
    reports: tuple[AgentReport, ...]


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session's stream is gone."""

    session_id: str


@dataclass(frozen=True, slots=True)
class SessionHasRoom:
    """A session takes setpoints and cancels again."""

    link: SessionLink


@dataclass(frozen=True, slots=True)
class Due:
    """A dispatch's deadline has passed."""

    dispatch_id: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """A window is over that others of the asset waited for."""

    asset_id: str


@dataclass(frozen=True, slots=True)
class HeadendStarted:
    """All sessions that there were are gone."""


Ask = Ordered | CancelAsked
Happening = (
    Ask
    | AgentReport
    | SessionOpened
    | SessionEnded
    | SessionHasRoom
    | Due
    | LookAgain
    | HeadendStarted
)


# --- what follows ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendSetpoint:
    """Hand the dispatch to the session's channel."""

    link: SessionLink
    dispatch_id: str


@dataclass(frozen=True, slots=True)
class SendCancel:
    """Hand the withdrawal to the session's channel."""

    link: SessionLink
    dispatch_id: str
    asset_id: str
    reason: str


Effect = SendSetpoint | SendCancel
