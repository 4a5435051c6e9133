"""Python's handle on the load generator; ``agents/agents.c`` describes the generator."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contest import Budget
from errors import Failed
from machine import Cores, busy_s
from processes import Child, running
from servers import Server
from workshop import Workshop

ANSWER_S = 10.0
"""How late the generator may answer, seconds."""

OTHERS_AT_MOST = 0.1
GENERATOR_AT_MOST = 0.95


@dataclass(frozen=True)
class Window:
    """The counts of one measurement."""

    seconds: float
    messages: int
    """Telemetry messages sent."""
    rows: int
    acked_rows: int
    taken_rows: int
    """Rows by the server's count or, without one, by its acknowledgements."""
    setpoints_us: list[int]
    """The times of setpoints, where the server reports them."""
    ways_us: list[int]
    """The times of messages to the latest table, where the server reports them."""
    server_cpu_s: float
    generator_busy: float
    """The share of its core that the generator used."""
    others_busy: float
    """Cores that other processes used; it should be next to nothing."""

    def doubt(self) -> str | None:
        """The reason not to trust these figures, if there is one."""
        if self.others_busy > OTHERS_AT_MOST:
            return f"other programs used {self.others_busy:.0%} of a core meanwhile"
        if self.generator_busy > GENERATOR_AT_MOST:
            return f"the generator used {self.generator_busy:.0%} of its core"
        return None


class Agents:
    """Connected agents."""

    def __init__(
        self, child: Child, cores: Cores, budget: Budget, ready: dict[str, Any], wanted: int
    ) -> None:
        self._child = child
        self._cores = cores
        self._budget = budget
        self.wanted = wanted
        self.welcomed = int(ready["welcomed"])
        self.failed = int(ready["failed"])
        self.connect_s = float(ready["connect_s"])
        if ready["refused_assets"]:
            raise Failed(f"{ready['refused_assets']} assets were refused to their agents")

    def require_all(self) -> None:
        """Raises: Failed if the server refused some agents."""
        if self.welcomed < self.wanted:
            raise Failed(f"only {self.welcomed:,} of {self.wanted:,} agents were let in")

    def go(
        self, server: Server, *, rate: float, rows: int, warmup_s: float, seconds: float
    ) -> Window:
        """Sends telemetry: ``rate`` messages a second, or as many as they can for 0.

        Raises: Failed, also if the server ended sessions meanwhile.
        """
        self._child.say(f"go {rate:g} {rows} {warmup_s:g} {seconds:g}")
        began = self._child.hear(self._budget.timeout_s(warmup_s + ANSWER_S))
        before = server.stats() if server.tells else {}
        cpu_before_s, busy_before_s = server.child.cpu_s(), busy_s(self._cores.both)
        ended = self._child.hear(self._budget.timeout_s(seconds + ANSWER_S))
        after = server.stats() if server.tells else {}
        server_cpu_s = server.child.cpu_s() - cpu_before_s
        all_busy_s = busy_s(self._cores.both) - busy_before_s
        lost = ended["closed"] + ended["resets"] + ended["goodbyes"]
        if lost:
            raise Failed(f"{server.child.name} ended {lost:,} sessions under load")
        if ended["refused_rows"]:
            raise Failed(f"{server.child.name} refused {ended['refused_rows']:,} rows")
        counted_s = ended["at_s"] - began["at_s"]
        generator_cpu_s = ended["cpu_s"] - began["cpu_s"]
        acked_rows = ended["acked_rows"] - began["acked_rows"]
        return Window(
            seconds=counted_s,
            messages=ended["messages"] - began["messages"],
            rows=ended["rows"] - began["rows"],
            acked_rows=acked_rows,
            taken_rows=after["rows"] - before["rows"] if server.tells else acked_rows,
            setpoints_us=after.get("setpoints_us", []),
            ways_us=after.get("ways_us", []),
            server_cpu_s=server_cpu_s,
            generator_busy=generator_cpu_s / counted_s,
            others_busy=(all_busy_s - server_cpu_s - generator_cpu_s) / counted_s,
        )

    def flood(self, rows: int, seconds: float) -> None:
        """Starts to send as many messages as the server takes; does not wait for the end."""
        self._child.say(f"go 0 {rows} 0 {seconds:g}")

    def end_flood(self, seconds: float) -> float:
        """Waits for the end of ``flood``; returns messages a second. Raises: Failed."""
        began = self._child.hear(self._budget.timeout_s(ANSWER_S))
        ended = self._child.hear(self._budget.timeout_s(seconds + ANSWER_S))
        lost = ended["closed"] + ended["resets"] + ended["goodbyes"]
        if lost:
            raise Failed(f"{lost:,} of the sessions that flood were ended")
        messages: float = ended["messages"] - began["messages"]
        return messages / (ended["at_s"] - began["at_s"])

    def close(self) -> None:
        """Closes all connections at once."""
        self._child.ask("close", self._budget.timeout_s(ANSWER_S))


@contextlib.contextmanager
def connected(
    workshop: Workshop,
    budget: Budget,
    fleet: Path,
    port: int,
    *,
    mqtt: bool = False,
    tls: Path | None = None,
    superseding: bool = False,
    connect_timeout_s: float = 20.0,
) -> Iterator[Agents]:
    """Agents of a fleet file, connected as far as the server let them in.

    With ``tls`` each shows its certificate in that folder. With ``superseding`` a new setpoint
    ends its asset's last one, which they report too.
    """
    program = workshop.agents(tls=tls is not None)
    timeout_s = budget.timeout_s(connect_timeout_s)
    command = [program, "--port", port, "--fleet", fleet, "--connect-timeout", f"{timeout_s:g}"]
    if mqtt:
        command.append("--mqtt")
    if tls is not None:
        command += ["--tls", tls]
    if superseding:
        command.append("--superseding")
    with running("agents", command, cores=workshop.cores.generator, logs=workshop.logs) as child:
        wanted = len(fleet.read_text().splitlines())
        ready = child.hear(timeout_s + ANSWER_S)
        yield Agents(child, workshop.cores, budget, ready, wanted)
