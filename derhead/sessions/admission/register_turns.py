"""Turns of agents that register at once: pure.

A fleet that lost its headend comes back within seconds. Admitting an agent costs a millisecond
and more, and its backlog of samples costs as much again. So the headend admits a bounded number
of agents a second. Each of the others gets a turn, in the order in which they came: the time at
which it may register. An agent that comes at its turn does not wait again.

Time is passed in: seconds on the loop's clock.
"""

import math

REGISTERS_BURST_S = 0.5
"""Seconds' worth of agents that may be admitted at once, after as long without any. When full,
agents get turns."""

TURN_KEPT_S = 5.0
"""Seconds after its turn for which an agent is admitted at once. When over, it gets a new turn."""

TURNS_WAITING = 6_000
"""Agents with a turn. When full, a further agent is told the end of the queue, and gets a turn
when it comes then."""


class RegisterTurns:
    """Admits ``rate_s`` agents a second, and gives the others their turns."""

    def __init__(self, rate_s: float) -> None:
        self._gap_s = 1 / rate_s
        self._lead_s = max(0.0, REGISTERS_BURST_S - self._gap_s)
        self._next_s = -math.inf
        # In the order of the turns, since a turn is never earlier than the one before.
        self._turns: dict[str, float] = {}

    def turn_s(self, agent_id: str, now: float) -> float:
        """When it is the agent's turn. If that is not after ``now``, the agent is admitted, and its
        turn is taken."""
        self._forget(now)
        turn_s = self._turns.get(agent_id)
        if turn_s is None:
            turn_s = max(self._next_s, now - self._lead_s)
            if turn_s <= now:
                self._next_s = turn_s + self._gap_s
            elif len(self._turns) < TURNS_WAITING:
                self._next_s = turn_s + self._gap_s
                self._turns[agent_id] = turn_s
        elif turn_s <= now:
            del self._turns[agent_id]
        return turn_s

    def waiting(self, now: float) -> int:
        """Agents that have a turn and did not come yet."""
        self._forget(now)
        return len(self._turns)

    def _forget(self, now: float) -> None:
        while self._turns:
            agent_id, turn_s = next(iter(self._turns.items()))
            if now <= turn_s + TURN_KEPT_S:
                return
            del self._turns[agent_id]
