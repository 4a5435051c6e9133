"""What happened in a run, as seen from outside: the device's own record and the journal's.

Times are seconds of the run's one true clock, which no daemon knows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from deragent.uplink.session_clock import DRIFT
from derhead.dispatch import Dispatch, State
from derproto.configuration.fleet import Failsafe
from tests.support.epoch import T0


def seconds(us: int) -> float:
    """The true time of a time by the headend's clock."""
    return (us - T0) / 1e6


@dataclass(frozen=True, slots=True)
class Told:
    """A command that the device took."""

    at_s: float
    dispatch_id: str | None
    """The dispatch whose MW it was; None for the default, or the device's own control."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A time in which the device followed one command, [``from_s``, ``to_s``)."""

    from_s: float
    to_s: float
    dispatch_id: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which something was so, [``from_s``, ``to_s``]."""

    from_s: float
    to_s: float

    def overlaps(self, from_s: float, to_s: float) -> bool:
        return self.from_s <= to_s and from_s <= self.to_s


@dataclass
class Record:
    """One asset's run."""

    failsafe: Failsafe
    told: list[Told] = field(default_factory=list)
    dispatches: dict[str, Dispatch] = field(default_factory=dict)
    """As the journal holds them at the end, with every state they were in."""
    down: list[Span] = field(default_factory=list)
    """When no agent ran: nobody could tell the device anything."""
    unwilling: list[Span] = field(default_factory=list)
    """When the device was slow, refused commands, or took them and did not say so."""
    diskless: list[Span] = field(default_factory=list)
    """When the agent could not write what it has to remember, and so did not begin."""
    misled_s: list[float] = field(default_factory=list)
    """When an agent came back, with its clock set, to a machine that had been started again since
    the disk was last written."""
    silent: list[Span] = field(default_factory=list)
    """When no byte of the headend could reach the agent."""
    welcomes: list[tuple[float, float]] = field(default_factory=list)
    """When each Welcome arrived, and how long it had been on its way, seconds."""
    ended_s: float = 0.0
    """When the run was over."""
    _stretches: list[Stretch] | None = None

    def stretches(self) -> Sequence[Stretch]:
        """What the device followed, from the first command to the end of the run."""
        if self._stretches is None:
            ends = [*self.told, Told(self.ended_s, None)]
            self._stretches = [Stretch(a.at_s, b.at_s, a.dispatch_id) for a, b in pairwise(ends)]
        return self._stretches

    def followed(self, dispatch_id: str) -> Sequence[Stretch]:
        """When the device followed a dispatch."""
        return [s for s in self.stretches() if s.dispatch_id == dispatch_id]

    def transit_s(self, by_s: float) -> float:
        """The longest that a Welcome which arrived by then was on its way, and for each what
        clocks may have parted by since, for all that the agent knows."""
        return max(
            (way_s + DRIFT * (by_s - at_s) for at_s, way_s in self.welcomes if at_s <= by_s),
            default=0.0,
        )

    def story(self) -> Iterator[str]:
        """The run in words, for whoever has to find out why it is wrong."""
        lines: list[tuple[float, str]] = []
        names = {dispatch_id: f"d{n}" for n, dispatch_id in enumerate(self.dispatches)}
        for told in self.told:
            what = "default" if told.dispatch_id is None else names.get(told.dispatch_id, "?")
            lines.append((told.at_s, f"device told {what}"))
        for at_s, transit_s in self.welcomes:
            lines.append((at_s, f"welcome, {transit_s:g} s on its way"))
        for kind in ("down", "unwilling", "diskless", "silent"):
            spans: list[Span] = getattr(self, kind)
            lines += [(span.from_s, f"{kind} until {span.to_s:g}") for span in spans]
        for d in self.dispatches.values():
            end = "" if d.window.end_us is None else f"{seconds(d.window.end_us):g}"
            window = f"{seconds(d.start_us):g}..{end}"
            by = f" by {names.get(d.superseded_by, '?')}" if d.superseded_by else ""
            head = f"{names[d.id]} [{window}] priority {d.priority} {d.id}"
            lines.append((seconds(d.created_us), f"ordered {head}"))
            for change in d.states:
                reason = f" ({change.reason}: {change.detail})" if change.detail else ""
                given = by if change.state is State.SUPERSEDED else ""
                line = f"{names[d.id]} {change.state}{given}{reason}"
                lines.append((seconds(change.at_us), line))
            lines.append((self.ended_s, f"{names[d.id]} interrupted {d.interrupted_us / 1e6:g} s"))
        for at_s, line in sorted(lines, key=lambda pair: pair[0]):
            yield f"{at_s:10.3f}  {line}"
