"""The number of agents in each state, and which events are news. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from deragent.event_lines import EventKind, EventLine
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted, FleetEvent


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

    def counts(self) -> dict[str, int]:
        """The number of agents, of those in each state, and of dispatches in force."""
        by_status = Counter(self._status.values())
        return {
            "agents": len(self._status),
            **{status.name.lower(): by_status[status] for status in AgentStatus},
            "in_force": sum(map(len, self._in_force.values())),
        }

    def count_line(self) -> str:
        """``agents 20: 18 connected, 2 connecting · dispatches in force 3``."""
        counts = self.counts()
        states = [(counts[status.name.lower()], status) for status in AgentStatus]
        agents = ", ".join(f"{count} {status}" for count, status in states if count)
        return f"agents {counts['agents']}: {agents} · dispatches in force {counts['in_force']}"


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
