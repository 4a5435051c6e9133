"""Events of an agent: those that it prints, and those that the launcher notices."""

from dataclasses import dataclass
from typing import TypeAlias

from deragent.event_lines import EventLine


@dataclass(frozen=True, slots=True)
class AgentStarted:
    """The launcher started an agent."""

    at_us: int
    """Microseconds since the epoch."""
    agent_id: str
    pid: int | None
    """Id of the agent's process; None if the agent runs inside the launcher's process."""


@dataclass(frozen=True, slots=True)
class AgentEnded:
    """An agent ended although nobody stopped it."""

    at_us: int
    agent_id: str
    how: str
    lived_s: float
    wait_s: float
    """Wait before it starts again."""


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """An agent wrote a warning, an error, or text that is not an event."""

    at_us: int
    agent_id: str
    text: str


FleetEvent: TypeAlias = EventLine | AgentStarted | AgentEnded | AgentSaid
