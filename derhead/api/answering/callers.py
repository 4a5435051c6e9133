"""Who sent the current request, and the part of the fleet that the sender may see."""

from collections.abc import Callable
from dataclasses import dataclass

from quart import g, request

from derhead.access import Principal
from derhead.audit import Caller
from derhead.httpserver import RequestIds
from derproto.configuration.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of a request, as the guard recognised it; every request passes the guard."""

    principal: Principal
    fleet: Fleet
    """The sites and assets that it may see."""
    is_admitted: Callable[[], bool]
    """Whether it would be let in now as it was: a long answer must not outlive its credentials."""
    login_id: str | None = None
    """The log-in whose cookie it sent."""

    @property
    def sole_site(self) -> str | None:
        """The site that it is limited to; None = it sees several, or all."""
        return sole_site(self.principal, self.fleet)

    @property
    def is_limited(self) -> bool:
        """Whether there may be more of the fleet than it sees."""
        return self.principal.sites is not None


def sole_site(principal: Principal, fleet: Fleet) -> str | None:
    """The site that a caller is limited to; ``fleet`` is what it may see. None = not one alone.

    Refusals that concern no other site are filed under it.
    """
    is_one = principal.sites is not None and len(fleet.sites) == 1
    return next(iter(fleet.sites)) if is_one else None


def note_sender(sender: Sender) -> None:
    """Notes the current request's sender."""
    g.sender = sender


def current_sender() -> Sender:
    """The current request's sender."""
    found: Sender = g.sender
    return found


def current_fleet() -> Fleet:
    """The sites and assets that the sender may see: all, unless it is limited to some sites."""
    return current_sender().fleet


def caller_named(name: str | None = None) -> Caller:
    """The caller of the current request, for the audit trail; None = nobody knows its name."""
    return Caller(peer=request.remote_addr, request_id=RequestIds.current(), name=name)


def current_caller() -> Caller:
    """The sender, for the audit trail."""
    return caller_named(current_sender().principal.name)
