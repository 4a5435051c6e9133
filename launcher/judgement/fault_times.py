"""Which fault stands between an agent and its headend, and for how long: pure.

A path leads from an agent's devices to REST. It is clear at a moment if no fault has struck it
lately, and if the agent has been connected for a while. After a fault an agent may take some time
to come back; the promise ``back`` bounds that time, so that no other promise needs to.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from launcher.drills.fault_kinds import LINK_FAULTS, FaultKind
from launcher.judgement.evidence import Evidence, SessionChange, StruckFault

S = 1_000_000

SETTLED_US = 10 * S
"""How long a path must have been well before anything is promised on it: the time in which
telemetry must be seen."""

RETURN_S = 35.0
"""Time after a fault in which an agent has registered again that knew of the fault: up to 30 s
until it dials again, and then a handshake."""

FRESH_PERIODS = 2.5
"""Telemetry periods after which a registered agent's newest sample is fresh."""

BRIEF_S = 10.0
"""Time after a fault of a disk, in which no session ends."""

_LASTING = (FaultKind.CUT, FaultKind.BLACKHOLE)
_OF_PROCESS = (FaultKind.KILL, FaultKind.RESTART, FaultKind.FREEZE)


class FaultTimes:
    """The faults of a drill, as one agent or the whole fleet meets them."""

    def __init__(self, evidence: Evidence) -> None:
        self._silence_us = round(3 * evidence.alive_s * S)
        self._period_s = evidence.period_s
        self.faults = sorted(
            (fault for fault in evidence.faults if fault.skipped is None),
            key=lambda fault: fault.from_us,
        )
        self._sessions = evidence.sessions
        late = sorted(evidence.late, key=lambda span: span.from_us)
        self._late = _Spans([(span.from_us, span.to_us) for span in late])
        self._paths: dict[str, _Path] = {}

    def recovery_s(self, fault: StruckFault) -> float:
        """How long after the fault its agents may take to be back, seconds, a sample included."""
        fresh_s = FRESH_PERIODS * self._period_s
        if fault.kind is FaultKind.DISK_FULL:
            return BRIEF_S + fresh_s
        if fault.kind is FaultKind.HALF_OPEN:
            # Only the headend's silence tells the agent.
            return self._silence_us / S + RETURN_S + fresh_s
        return RETURN_S + fresh_s

    def last_us(self, fault: StruckFault) -> int:
        """The end of the time in which the fault may explain trouble."""
        return fault.to_us + round(self.recovery_s(fault) * S)

    def ends_us(self, fault: StruckFault) -> int:
        """When the fault is no longer in force: half-open ends once the agent must know of it."""
        return fault.to_us + (self._silence_us if fault.kind is FaultKind.HALF_OPEN else 0)

    def clear(self, agent_id: str, from_us: int, to_us: int) -> bool:
        """Whether the promises hold for the agent's path from one time to another."""
        first_us = from_us - SETTLED_US
        if self.late(first_us, to_us):
            return False
        path = self._path(agent_id)
        if path.in_force.meets(first_us, to_us):
            return False
        return self._connected(agent_id, first_us, to_us) or not path.recovering.meets(
            first_us, to_us
        )

    def touched(self, agent_id: str, from_us: int, to_us: int) -> bool:
        """Whether a fault of the agent's path, or its consequences, fall into that time."""
        return self._path(agent_id).recovering.meets(from_us, to_us)

    def late(self, from_us: int, to_us: int) -> bool:
        """Whether the machine was too slow to judge by, at some time in between."""
        return self._late.meets(from_us, to_us)

    def on_path(self, agent_id: str) -> Sequence[StruckFault]:
        """The faults that struck the agent, its link or the headend, by their start."""
        return self._path(agent_id).faults

    def under(self, agent_id: str | None, at_us: int) -> str:
        """The fault that explains trouble at that time best: the last one that struck before."""
        faults = self.faults if agent_id is None else self.on_path(agent_id)
        met = [each for each in faults if each.from_us <= at_us <= self.last_us(each)]
        return str(met[-1]) if met else ""

    def silences(self, agent_id: str) -> Iterator[tuple[int, int]]:
        """The times in which the agent surely heard nothing of its headend, merged and in order."""
        begun: tuple[int, int] | None = None
        for fault in self.on_path(agent_id):
            surely = fault.kind in (_OF_PROCESS if fault.headend else _LASTING)
            if not surely:
                continue
            if begun is not None and fault.from_us <= begun[1]:
                begun = begun[0], max(begun[1], fault.to_us)
                continue
            if begun is not None:
                yield begun
            begun = fault.from_us, fault.to_us
        if begun is not None:
            yield begun

    def _path(self, agent_id: str) -> "_Path":
        if agent_id not in self._paths:
            faults = [each for each in self.faults if each.headend or agent_id in each.agents]
            self._paths[agent_id] = _Path(self, faults)
        return self._paths[agent_id]

    def _connected(self, agent_id: str, from_us: int, to_us: int) -> bool:
        """Whether the agent says that one session lasted all that time."""
        changes: Sequence[SessionChange] = self._sessions.get(agent_id, ())
        after = bisect_right(changes, from_us, key=lambda change: change.at_us)
        if after == 0 or not changes[after - 1].connected:
            return False
        return after == len(changes) or changes[after].at_us > to_us


class _Path:
    """The faults of one agent's path, ready to be looked up."""

    def __init__(self, times: FaultTimes, faults: Sequence[StruckFault]) -> None:
        self.faults = faults
        self.in_force = _Spans([(each.from_us, times.ends_us(each)) for each in faults])
        self.recovering = _Spans([(each.from_us, times.last_us(each)) for each in faults])


class _Spans:
    """Stretches of time, in the order of their starts."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self._starts = [start for start, _end in spans]
        self._ends = list(accumulate((end for _start, end in spans), max))

    def meets(self, from_us: int, to_us: int) -> bool:
        """Whether some stretch and that time have a moment in common."""
        begun = bisect_right(self._starts, to_us)
        return begun > 0 and self._ends[begun - 1] >= from_us


def strikes_process_of(fault: StruckFault, agent_id: str) -> bool:
    """Whether the fault struck the process of the agent."""
    return fault.kind not in LINK_FAULTS and agent_id in fault.agents
