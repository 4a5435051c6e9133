"""What a drill saw, from outside of what it judges: pure.

Times are microseconds since the epoch, by the one clock of the machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from derproto.configuration.fleet import Asset
from launcher.drills.fault_kinds import FaultKind


@dataclass(frozen=True, slots=True)
class StruckFault:
    """A fault that struck, or could not."""

    kind: FaultKind
    victim: str
    """As the plan has it, with the agents that were drawn."""
    agents: tuple[str, ...]
    headend: bool
    from_us: int
    to_us: int
    """When it was mended: the link carries again, the process runs again and can be reached."""
    skipped: str | None = None
    """Why it could not strike; None = it struck."""

    def __str__(self) -> str:
        return f"{self.kind} of {self.victim}"


@dataclass(frozen=True, slots=True)
class Look:
    """What REST showed of an asset's telemetry at one moment."""

    at_us: int
    newest_us: int | None
    """Time of the newest sample so far; None = none has been seen."""


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session of an agent began or ended, as the agent says."""

    at_us: int
    connected: bool


@dataclass(frozen=True, slots=True)
class DeviceNote:
    """A line of a device's own record."""

    at_us: int
    did: str
    """``opened``, ``read``, ``told`` or ``released``."""
    mw: float | None = None
    """What it measured or was told, MW."""
    frequency_hz: float | None = None
    """The reading's frequency: a double that no other reading has, and so its name."""


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order of the drill's operator, and what became of it."""

    asset_id: str
    mw: float
    """A power that no other order of the asset has, and so its name in the device's record."""
    asked_us: int
    """When it was first sent."""
    answered_us: int | None = None
    """When the headend acknowledged it; None = never."""
    dispatch_id: str | None = None
    start_us: int = 0
    end_us: int | None = None
    """End of its window; None = it has none."""
    withdrawn_us: int | None = None
    """When the operator asked to withdraw it; None = never."""
    refused: str | None = None
    """Why the headend refused it for good; None = it did not."""
    ids: tuple[str, ...] = ()
    """The ids in all answers to this order, which was sent again after each failure."""
    state: str | None = None
    """Its state after the drill; None = the headend does not know it."""


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event of an order, as a reader of ``/events`` got it."""

    at_us: int
    id: int
    dispatch_id: str
    state: str


@dataclass(frozen=True, slots=True)
class KeptSample:
    """A sample in the headend's history after the drill."""

    at_us: int
    p_mw: float | None
    frequency_hz: float | None


@dataclass(frozen=True, slots=True)
class ShownGap:
    """An entry of the headend's gap ledger after the drill."""

    start_us: int
    end_us: int | None
    cause: str
    backfilled: bool
    filled_us: int | None = None
    """Up to where later samples have closed it."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """A process ended."""

    at_us: int
    who: str
    """An agent's id, or ``headend``."""
    how: str


@dataclass(frozen=True, slots=True)
class LateSpan:
    """A time in which the drill's own machine was too slow to time anything."""

    from_us: int
    to_us: int


@dataclass
class Evidence:
    """All that the observers of a drill noted."""

    assets: Mapping[str, Asset]
    agent_of: Mapping[str, str]
    """The agent of each asset, by ids."""
    period_s: float
    """The telemetry period, seconds."""
    alive_s: float
    """The period of the headend's Alive; an agent leaves a headend that is silent for three."""
    began_us: int = 0
    """When the fleet was up, and the drill began."""
    ended_us: int = 0
    """When the plan's time was over and all faults were mended."""
    closed_us: int = 0
    """When the observers stopped."""
    faults: list[StruckFault] = field(default_factory=list)
    looks: dict[str, list[Look]] = field(default_factory=dict)
    """By asset, in order. The same for the others."""
    sessions: dict[str, list[SessionChange]] = field(default_factory=dict)
    """By agent."""
    notes: dict[str, list[DeviceNote]] = field(default_factory=dict)
    notes_missing: int = 0
    """Lines of the devices' records that did not arrive."""
    orders: list[PlacedOrder] = field(default_factory=list)
    events: list[SeenEvent] = field(default_factory=list)
    events_missed: int = 0
    """How often the reader of events was told that it missed some."""
    kept: dict[str, Sequence[KeptSample]] = field(default_factory=dict)
    gaps: dict[str, Sequence[ShownGap]] = field(default_factory=dict)
    ends: list[ProcessEnd] = field(default_factory=list)
    late: list[LateSpan] = field(default_factory=list)
    _commands: dict[str, Sequence[DeviceNote]] = field(default_factory=dict, repr=False)

    def commands(self, asset_id: str) -> Sequence[DeviceNote]:
        """The notes of the device's record but for its readings; the record must be whole."""
        if asset_id not in self._commands:
            notes = self.notes.get(asset_id, ())
            self._commands[asset_id] = [note for note in notes if note.did != "read"]
        return self._commands[asset_id]
