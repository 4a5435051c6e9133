"""Kinds of faults, what each strikes, and its parameters: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from derproto.configuration.kinds import Kind, Number, Whole


class FaultKind(StrEnum):
    """What a drill can do to a link or a process."""

    DELAY = "delay"
    """Every byte of a link arrives ``delay_s`` later, in order."""
    THROTTLE = "throttle"
    """A link carries at most ``bytes_per_s`` in each direction."""
    CORRUPT = "corrupt"
    """One byte in every ``every_bytes`` of a link arrives changed."""
    CUT = "cut"
    """A link's connections end, and new ones are refused."""
    BLACKHOLE = "blackhole"
    """A link carries nothing, and tells neither end. What was sent arrives afterwards, unless an
    end has given up by then."""
    HALF_OPEN = "half-open"
    """The headend's half of a link's connections ends, and the agent's half stays open and
    silent. New connections work."""
    RESET = "reset"
    """A link's connections are reset at both ends. New connections work."""
    KILL = "kill"
    """SIGKILL to a process, and later a new start."""
    RESTART = "restart"
    """SIGTERM to a process, and later a new start."""
    FREEZE = "freeze"
    """SIGSTOP to a process, and later SIGCONT."""
    DISK_FULL = "disk-full"
    """The files of a process cannot grow: the kernel refuses each write beyond their size."""


LINK_FAULTS = frozenset(
    {
        *(FaultKind.DELAY, FaultKind.THROTTLE, FaultKind.CORRUPT, FaultKind.CUT),
        *(FaultKind.BLACKHOLE, FaultKind.HALF_OPEN, FaultKind.RESET),
    }
)
"""Faults that strike the link between an agent and the headend; the others strike a process."""

MOMENTARY = frozenset({FaultKind.HALF_OPEN, FaultKind.RESET})
"""Faults that are over at once."""

DEFAULT_FOR_S = MappingProxyType({FaultKind.KILL: 0.0, FaultKind.RESTART: 0.0})
"""Lengths of the faults that need none, seconds: a process then starts again as soon as it can."""


@dataclass(frozen=True, slots=True)
class FaultParameter:
    """A key that a fault may have beside those of every fault."""

    kind: Kind[float]
    default: float


PARAMETERS: Mapping[FaultKind, Mapping[str, FaultParameter]] = MappingProxyType(
    {
        FaultKind.DELAY: {
            "delay_s": FaultParameter(Number(above=0, most=60, unit="seconds"), 0.2),
        },
        FaultKind.THROTTLE: {
            "bytes_per_s": FaultParameter(Whole(1, 10**9), 2_000.0),
        },
        FaultKind.CORRUPT: {
            "every_bytes": FaultParameter(Whole(1, 10**9), 2_048.0),
        },
    }
)


class Scope(StrEnum):
    """Whom a fault strikes."""

    HEADEND = "headend"
    ALL_AGENTS = "all agents"
    ANY_AGENT = "any agent"
    """One agent, drawn anew for each fault."""
    ANY_SITE = "any site"
    """The agents of one site, drawn anew for each fault."""
    AGENT = "agent"
    """The agent of that id or name."""
    SITE = "site"
    """The agents of the site of that id or name."""


NAMED = frozenset({Scope.AGENT, Scope.SITE})
"""Scopes that need a name."""

WANTED_VICTIM = "headend, any agent, all agents, any site, agent NAME or site NAME"


@dataclass(frozen=True, slots=True)
class Victim:
    """The ``target`` of a fault. A fault of links strikes the links of its agents."""

    scope: Scope
    name: str | None = None

    def __str__(self) -> str:
        return self.scope if self.name is None else f"{self.scope} {self.name}"


def parse_victim(text: str) -> Victim:
    """The victim that a text names. Raises: ValueError, saying what to write."""
    words = " ".join(text.split())
    for scope in Scope:
        if scope in NAMED:
            first, _blank, name = words.partition(" ")
            if first == scope and name:
                return Victim(scope, name)
        elif words == scope:
            return Victim(scope)
    raise ValueError(f"{text[:60]!r} is no target; write {WANTED_VICTIM}")


@dataclass(frozen=True, slots=True)
class TimedFault:
    """One fault of a timetable."""

    at_s: float
    """Seconds since the drill began."""
    kind: FaultKind
    for_s: float
    """How long it lasts, seconds; for ``kill`` and ``restart``, how long the process stays away
    at least."""
    victim: Victim
    """As the plan has it, for people."""
    agents: tuple[str, ...] = ()
    """Ids of the agents that are struck, or whose links are."""
    headend: bool = False
    """Whether the headend's process is struck."""
    parameters: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def to_s(self) -> float:
        """When it is over, seconds since the drill began."""
        return self.at_s + self.for_s
