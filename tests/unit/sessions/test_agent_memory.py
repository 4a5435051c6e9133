"""What is remembered of agents, and what is forgotten."""

import pytest

from derhead.sessions import HeartbeatRecord
from derhead.sessions.admission import agent_memory
from derhead.sessions.admission.agent_memory import AgentMemory


def heartbeat(agent_id: str) -> HeartbeatRecord:
    return HeartbeatRecord(agent_id, 1, 1, 1, 0, 0, ())


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> AgentMemory:
    monkeypatch.setattr(agent_memory, "AGENTS_REMEMBERED", 3)
    monkeypatch.setattr(agent_memory, "STRANGERS_REMEMBERED", 2)
    return AgentMemory(max_sessions=1)


def test_agents_that_are_never_granted_anything_are_not_remembered_for_ever(
    memory: AgentMemory,
) -> None:
    memory.register("agent", ["asset"])
    memory.take_heartbeat(heartbeat("agent"))
    for number in range(1000):
        memory.register(f"stranger-{number}", ())
        memory.take_heartbeat(heartbeat(f"stranger-{number}"))
    known = [number for number in range(1000) if memory.knows(f"stranger-{number}")]
    assert known == [998, 999]
    assert memory.heartbeat("stranger-0") is None
    assert memory.heartbeat("agent") == heartbeat("agent")
    assert memory.last_holder("asset") == "agent"


def test_a_full_memory_forgets_the_agent_that_came_longest_ago(memory: AgentMemory) -> None:
    for agent_id in ("a", "b", "c", "a", "d"):
        memory.register(agent_id, [f"asset-{agent_id}"])
    assert [agent_id for agent_id in "abcd" if memory.knows(agent_id)] == ["a", "c", "d"]
    memory.take_heartbeat(heartbeat("b"))
    assert memory.heartbeat("b") is None
    assert memory.last_holder("asset-b") == "b"


def test_an_agent_is_known_once_it_was_granted_an_asset(memory: AgentMemory) -> None:
    memory.register("a", ())
    memory.register("a", ["asset"])
    memory.register("a", ())
    memory.register("x", ())
    memory.register("y", ())
    memory.register("z", ())
    assert [agent_id for agent_id in "axyz" if memory.knows(agent_id)] == ["a", "y", "z"]


def test_more_agents_are_remembered_than_may_have_sessions() -> None:
    memory = AgentMemory(max_sessions=30_000)
    for number in range(60_000):
        memory.register(str(number), [str(number)])
    assert memory.knows("0")
    memory.register("one more", ["asset"])
    assert not memory.knows("0")
