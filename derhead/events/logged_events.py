"""The events that the journal's log holds: pure."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from derhead.dispatch import Dispatch
from derhead.sessions import SessionRecord

Change: TypeAlias = Literal["connected", "disconnected"]


@dataclass(frozen=True, slots=True)
class DispatchEvent:
    """A dispatch changed."""

    id: int
    """Unique in a journal; later commits have greater ids."""
    at_us: int
    """When it was journaled, microseconds since the epoch."""
    dispatch: Dispatch
    """The dispatch as it was then."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A session began or ended."""

    id: int
    """See ``DispatchEvent``."""
    at_us: int
    """When it began or ended, microseconds since the epoch."""
    change: Change
    session: SessionRecord
    """The session as it was then."""


LoggedEvent: TypeAlias = DispatchEvent | SessionEvent


@dataclass(frozen=True, slots=True)
class LogSpan:
    """Which events the journal holds."""

    before: int
    """The oldest event has an id above this one."""
    newest: int
    """Id of the newest event; equal to ``before`` if there is none."""
