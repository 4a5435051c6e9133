"""The memory of agents beyond their sessions: pure."""

from collections.abc import Iterable

from derhead.sessions.terms.session_records import HeartbeatRecord, SessionRecord

AGENTS_REMEMBERED = 20_000
"""Agents to remember that were once granted an asset; twice ``max_sessions`` if that is more. When
full, the agent that registered longest ago is forgotten; the journal still has its history."""

STRANGERS_REMEMBERED = 1_000
"""Agents to remember that were never granted an asset. When full, the agent that registered longest
ago is forgotten."""


class AgentMemory:
    """Each agent's newest heartbeat, and each asset's last holder."""

    def __init__(self, max_sessions: int) -> None:
        self._max_agents = max(AGENTS_REMEMBERED, 2 * max_sessions)
        self._agents: dict[str, None] = {}
        self._strangers: dict[str, None] = {}
        self._heartbeats: dict[str, HeartbeatRecord] = {}
        self._last_holders: dict[str, str] = {}

    def restore(
        self, sessions: Iterable[SessionRecord], heartbeats: Iterable[HeartbeatRecord]
    ) -> None:
        """Restores each agent's last session, the oldest first, and its last heartbeat."""
        for record in sessions:
            self.register(record.agent_id, record.asset_ids)
        for heartbeat in heartbeats:
            self.take_heartbeat(heartbeat)

    def register(self, agent_id: str, granted: Iterable[str]) -> None:
        """Notes that an agent registered and was granted these assets."""
        holds_any = False
        for asset_id in granted:
            self._last_holders[asset_id] = agent_id
            holds_any = True
        if holds_any or agent_id in self._agents:
            self._strangers.pop(agent_id, None)
            self._note(self._agents, agent_id, self._max_agents)
        else:
            self._note(self._strangers, agent_id, STRANGERS_REMEMBERED)

    def _note(self, agents: dict[str, None], agent_id: str, most: int) -> None:
        # The newest agent is last in the dictionary.
        agents.pop(agent_id, None)
        agents[agent_id] = None
        if len(agents) > most:
            oldest = next(iter(agents))
            del agents[oldest]
            self._heartbeats.pop(oldest, None)

    def take_heartbeat(self, record: HeartbeatRecord) -> None:
        """Keeps an agent's newest heartbeat, unless the agent is forgotten."""
        if self.knows(record.agent_id):
            self._heartbeats[record.agent_id] = record

    def knows(self, agent_id: str) -> bool:
        """Whether the agent is remembered."""
        return agent_id in self._agents or agent_id in self._strangers

    def heartbeat(self, agent_id: str) -> HeartbeatRecord | None:
        """The agent's newest heartbeat."""
        return self._heartbeats.get(agent_id)

    def last_holder(self, asset_id: str) -> str | None:
        """The agent that held the asset last, or holds it now."""
        return self._last_holders.get(asset_id)
