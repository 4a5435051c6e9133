"""Meters what one session's agent sends, and counts and tells what goes beyond: pure.

Time is passed in: seconds on the loop's clock.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from derhead.sessions.streams.allowances import Allowances, Metered
from derhead.telemetry import RefusedRows
from derproto.der.v1 import RefusalReason
from derproto.stdio.log_events import event_log

log = event_log(__name__)

BOOTS_KNOWN = 1_000
"""Boots that a session remembers. When full, it forgets them all, and each counts again."""

_LINES = {
    Metered.SESSION: "agent registers too often: it is refused",
    Metered.GAP_REPORT: "agent sends too many gap reports: it is held back",
    Metered.DISPATCH_REPORT: "agent sends too many dispatch reports: it is held back",
    Metered.HEARTBEAT: "agent sends too many heartbeats: only the newest is kept",
    Metered.ROW: "agent sends too much telemetry: it is held back",
    Metered.BOOT: "agent sends telemetry of too many boots: it is held back",
}

_OUT_OF_TIME = (
    "agent sends samples from before 1970, or from more than a week ahead of the headend's clock: "
    "they are refused; set the agent's clock"
)


@dataclass(slots=True)
class Excess:
    """Messages and rows beyond the agents' allowances, and refused rows, since the start."""

    messages: Counter[Metered] = field(default_factory=Counter)
    refused_rows: Counter[RefusalReason] = field(default_factory=Counter)


def admit_session(agent_id: str, allowances: Allowances, excess: Excess, now: float) -> bool:
    """Takes one Register, if the agent's allowance has room for it."""
    if allowances[Metered.SESSION].take_nowait(now):
        return True
    excess.messages[Metered.SESSION] += 1
    log.warning(_LINES[Metered.SESSION], agent=agent_id)
    return False


class SessionMeter:
    """Counts in ``excess``, and logs each kind of excess once a session."""

    def __init__(self, agent_id: str, allowances: Allowances, excess: Excess) -> None:
        self._agent_id = agent_id
        self._allowances = allowances
        self._rows = allowances[Metered.ROW]
        self._excess = excess
        self._told: set[str] = set()
        self._boots: set[int] = set()

    def wait_s(self, kind: Metered, now: float, count: int = 1) -> float:
        """Takes a message, or so many rows; returns the seconds for which it must wait."""
        wait_s = self._allowances[kind].take(now, count)
        if wait_s:
            self._note_excess(kind, count)
        return wait_s

    def telemetry_wait_s(self, boot_id: int, rows: int, now: float) -> float:
        """Takes rows of a boot; returns the seconds for which they must wait."""
        wait_s = self._rows.take(now, rows)
        if wait_s:
            self._note_excess(Metered.ROW, rows)
        if boot_id in self._boots:
            return wait_s
        if len(self._boots) >= BOOTS_KNOWN:
            self._boots.clear()
        self._boots.add(boot_id)
        return max(wait_s, self.wait_s(Metered.BOOT, now))

    def admits(self, kind: Metered, now: float) -> bool:
        """Takes one message if the allowance has room for it now."""
        admitted = self._allowances[kind].take_nowait(now)
        if not admitted:
            self._note_excess(kind)
        return admitted

    def note_refused(self, refused: Iterable[RefusedRows]) -> None:
        """Counts rows of telemetry that are refused."""
        for rows in refused:
            self._excess.refused_rows[rows.reason] += rows.last - rows.first + 1
            if rows.reason is RefusalReason.TIME_OUT_OF_RANGE:
                self._tell_once(_OUT_OF_TIME)

    def _note_excess(self, kind: Metered, count: int = 1) -> None:
        self._excess.messages[kind] += count
        self._tell_once(_LINES[kind])

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            log.warning(line, agent=self._agent_id)
