"""The inputs that the desk decides on. Values only: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from derhead.audit import AuditRecord
from derhead.dispatch.desk.book import SessionLink
from derhead.dispatch.life.lifecycle import Reported
from derhead.dispatch.orders.idempotency import UsedKey
from derhead.dispatch.orders.order import AssetOrder, DispatchGroup

OrderRecord = DispatchGroup | UsedKey | AuditRecord
"""A record that is journaled in the same commit as a caller's request."""


class NotOpen(Exception):
    """No dispatch of that id is open: it has ended, or never existed."""


class TooManyOpen(Exception):
    """The asset has as many open dispatches as it may have: nothing was ordered."""


@dataclass(frozen=True, slots=True, eq=False)
class OrderRequested:
    """A caller orders dispatches: all of them or none."""

    orders: tuple[tuple[str, AssetOrder], ...]
    """Each with the id of its dispatch."""
    records: tuple[OrderRecord, ...] = ()
    """Records to journal in the same commit."""


@dataclass(frozen=True, slots=True, eq=False)
class CancelRequested:
    """A caller withdraws a dispatch."""

    dispatch_id: str
    reason: str
    entry: AuditRecord | None = None
    """To be journaled in the same commit, with what it changes."""
    by: str | None = None
    """Who withdraws it; None = the headend itself."""


@dataclass(frozen=True, slots=True)
class AgentReport:
    """An agent reports on a dispatch of one of its assets."""

    asset_id: str
    dispatch_id: str
    reported: Reported


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """An agent registered, with reports on all the dispatches that it knows."""

    link: SessionLink
    reports: tuple[AgentReport, ...]


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The stream of a session is gone."""

    session_id: str


@dataclass(frozen=True, slots=True)
class SessionHasRoom:
    """A session has room for setpoints and Cancels again."""

    link: SessionLink


@dataclass(frozen=True, slots=True)
class DeadlineDue:
    """The deadline of a dispatch has passed."""

    dispatch_id: str


@dataclass(frozen=True, slots=True)
class WindowOver:
    """A window has ended that other dispatches of the asset waited for."""

    asset_id: str


@dataclass(frozen=True, slots=True)
class HeadendStarted:
    """The headend started, and no earlier session is left."""


@dataclass(frozen=True, slots=True)
class FleetChanged:
    """Assets joined the fleet or left it. The dispatches of those that left end."""

    joined: tuple[str, ...] = ()
    left: Mapping[str, str | None] = field(default_factory=dict)
    """Each with its site; None = not known any more."""


CallerRequest = OrderRequested | CancelRequested
"""An input whose outcome a caller waits for."""

DeskInput = (
    CallerRequest
    | AgentReport
    | SessionOpened
    | SessionEnded
    | SessionHasRoom
    | DeadlineDue
    | WindowOver
    | HeadendStarted
    | FleetChanged
)
