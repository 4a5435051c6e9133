"""A line for each change of a fleet, and the number of agents in each state. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from deragent.event_lines import EventKind, EventLine
from derproto.base.timefmt import format_us
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted, FleetEvent

MOST_CHARACTERS = 400
"""Most characters of a line; a longer line is cut."""


class AgentStatus(StrEnum):
    """The state of an agent, in the order and words of the count."""

    CONNECTED = "connected"
    CONNECTING = "connecting"
    STARTING = "starting"
    """Running, without an event so far."""
    WAITING = "waiting to start"
    """Not started yet, or dead."""


class Tally:
    """The state of each agent, and the dispatches in force, as derived from events."""

    def __init__(self, agent_ids: Iterable[str]) -> None:
        self._status = dict.fromkeys(agent_ids, AgentStatus.WAITING)
        self._trouble: dict[str, object] = {}
        """The last reason why each agent is not connected."""
        # By agent and asset. An asset has at most one dispatch in force, which bounds the size.
        self._in_force: dict[str, dict[str, str]] = {agent: {} for agent in self._status}

    def take(self, event: FleetEvent) -> bool:
        """Counts an event; returns whether it is news, not just another failed attempt.

        Events of unknown agents are news, but are not counted.
        """
        agent_id = event.agent_id
        if agent_id not in self._status:
            return True
        before = self._status[agent_id]
        match event:
            case AgentStarted():
                self._status[agent_id] = AgentStatus.STARTING
                self._trouble.pop(agent_id, None)
            case AgentEnded():
                self._status[agent_id] = AgentStatus.WAITING
                self._in_force[agent_id].clear()
            case EventLine(kind=EventKind.CONNECTING):
                self._status[agent_id] = AgentStatus.CONNECTING
                return before is not AgentStatus.CONNECTING
            case EventLine(kind=EventKind.CONNECTED):
                self._status[agent_id] = AgentStatus.CONNECTED
                self._trouble.pop(agent_id, None)
            case EventLine(kind=EventKind.DISCONNECTED, detail=detail):
                self._status[agent_id] = AgentStatus.CONNECTING
                known = self._trouble.get(agent_id) == (reason := detail.get("reason", ""))
                self._trouble[agent_id] = reason
                return before is AgentStatus.CONNECTED or not known
            case EventLine(kind=EventKind.DISPATCH, detail=detail):
                self._take_dispatch(self._in_force[agent_id], detail)
            case EventLine() | AgentSaid():
                pass
        return True

    def _take_dispatch(self, in_force: dict[str, str], detail: Mapping[str, object]) -> None:
        asset_id, dispatch_id = str(detail.get("asset_id")), str(detail.get("dispatch_id"))
        match detail.get("state"):
            case "started":
                in_force[asset_id] = dispatch_id
            case "received":
                # The agent holds this dispatch for later; the one in force stays.
                pass
            case _ if in_force.get(asset_id) == dispatch_id:
                del in_force[asset_id]

    def count_line(self) -> str:
        """``agents 20: 18 connected, 2 connecting · dispatches in force 3``."""
        counts = Counter(self._status.values())
        agents = ", ".join(f"{counts[s]} {s}" for s in AgentStatus if counts[s])
        in_force = sum(map(len, self._in_force.values()))
        return f"agents {len(self._status)}: {agents} · dispatches in force {in_force}"


def event_line(event: FleetEvent, names: Mapping[str, str]) -> str:
    """The line about an event, such as ``12:00:03 mesa-solar-03 connected``.

    ``names`` maps agents' ids to names. Units: times of day are UTC.
    """
    name = names.get(event.agent_id, event.agent_id)
    match event:
        case AgentStarted(pid=None):
            text = "started"
        case AgentStarted(pid=pid):
            text = f"started (pid {pid})"
        case AgentEnded(how=how, lived_s=lived_s, wait_s=wait_s):
            text = f"{how} after {_span(lived_s)}; starts again in {_span(wait_s)}"
        case AgentSaid(text=said):
            text = f"| {said}"
        case EventLine(kind=kind, detail=detail):
            asset = detail.get("asset")
            if asset is not None and asset != name:
                name = f"{name}/{asset}"
            text = _event_text(kind, detail)
    time_of_day = format_us(event.at_us)[11:19]
    return printable(f"{time_of_day} {name} {text}")


def event_style(event: FleetEvent) -> str:
    """The line's style on a terminal, in rich's notation: trouble stands out."""
    match event:
        case AgentEnded():
            return "red"
        case AgentSaid():
            return "yellow"
        case EventLine(kind=EventKind.CONNECTED | EventKind.DEVICE_BACK):
            return "green"
        case EventLine(
            kind=EventKind.DISCONNECTED | EventKind.ASSET_REFUSED | EventKind.DEVICE_UNREACHABLE
        ):
            return "red"
        case EventLine(kind=EventKind.OUTBOX_DROPPING | EventKind.OUTBOX_DISK_FAILING):
            return "red"
        case EventLine(kind=EventKind.CONNECTING) | AgentStarted():
            return "dim"
        case EventLine():
            return ""


def _event_text(kind: EventKind, detail: Mapping[str, object]) -> str:
    reason = f": {detail['reason']}" if detail.get("reason") else ""
    match kind:
        case EventKind.CONNECTING:
            return "connecting"
        case EventKind.CONNECTED:
            return "connected"
        case EventKind.DISCONNECTED:
            retry_s = detail.get("retry_in_s")
            soon = f"; tries again in {_span(retry_s)}" if isinstance(retry_s, int | float) else ""
            return f"disconnected{reason}{soon}"
        case EventKind.DISPATCH:
            mw = detail.get("mw")
            power = f" at {mw:g} MW" if isinstance(mw, int | float) else ""
            return f"dispatch {detail.get('dispatch_id')} {detail.get('state')}{power}{reason}"
        case EventKind.ASSET_REFUSED:
            return f"refused by the headend ({detail.get('result')}){reason}"
        case EventKind.ASSET_GRANTED:
            return "accepted by the headend"
        case EventKind.DEVICE_UNREACHABLE:
            return f"device unreachable{reason}"
        case EventKind.DEVICE_BACK:
            return "device back"
        case EventKind.OUTBOX_DROPPING:
            return "outbox full: oldest samples are dropped"
        case EventKind.OUTBOX_DISK_FAILING:
            return f"outbox cannot be written{reason}"
        case EventKind.OUTBOX_DISK_BACK:
            return "outbox is written again"


def _span(seconds: float) -> str:
    """A time span in words."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def printable(text: str) -> str:
    """One line of at most MOST_CHARACTERS, without anything that could control a terminal."""
    line = "".join(c if c.isprintable() else " " for c in text[:MOST_CHARACTERS])
    return line if len(text) <= MOST_CHARACTERS else line[:-1] + "…"


class CountTimer:
    """When to print a count that cannot be redrawn: if it changed, at most every 10 s."""

    EVERY_S = 10.0

    def __init__(self) -> None:
        self._last = ""
        self._due_s = 0.0

    def due(self, count_line: str, now_s: float) -> bool:
        """Whether to print the count now. After True, the next is due ``EVERY_S`` later."""
        if count_line == self._last or now_s < self._due_s:
            return False
        self._last, self._due_s = count_line, now_s + self.EVERY_S
        return True
