"""What the journal keeps of what happened: pure."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from derhead.dispatch import Dispatch
from derhead.sessions import SessionRecord

Change: TypeAlias = Literal["connected", "disconnected"]


@dataclass(frozen=True, slots=True)
class DispatchEvent:
    """A dispatch changed."""

    id: int
    """Rises from commit to commit; no two events of a journal share one."""
    at_us: int
    """When it was journaled, microseconds since the epoch."""
    dispatch: Dispatch
    """As it then was."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A session began or ended."""

    id: int
    """See ``DispatchEvent``."""
    at_us: int
    """When it did, microseconds since the epoch."""
    change: Change
    session: SessionRecord
    """As it then was."""


LoggedEvent: TypeAlias = DispatchEvent | SessionEvent


@dataclass(frozen=True, slots=True)
class LogSpan:
    """Which events the journal holds."""

    before: int
    """The oldest that it holds has an id above this one."""
    newest: int
    """The newest has this id; equal to ``before`` where there is none."""
