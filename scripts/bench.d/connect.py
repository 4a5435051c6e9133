"""Subject ``connect``: 5,000 agents at once, their memory, and the sessions they leave behind.

The real headend with its journal, against servers that keep a dict.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asking import get_items
from contest import Budget, Contestant, Sheet, compete
from fleets import write_agents, write_assets
from generator import connected
from measures import OURS, Findings, Measure
from processes import running
from servers import Server, Servers
from workshop import HERE, Workshop

AGENTS = 5000
WARMUP_AGENTS = 50
"""Agents that come and go before the first look at memory, so that one-time costs do not count."""

SETTLE_S = 1.0
LEAVE_S = 5.0
"""How long a session may outlive the close of all connections, seconds."""

TIME = Measure("connect_5000_s", "5,000 agents connected and registered (s)", True)
MEMORY = Measure("kb_per_session", "memory a session, cleartext (kB)", True)
MEMORY_TLS = Measure("kb_per_session_tls", "memory a session, TLS (kB)", True)
REFUSED = Measure("connect_refused", "agents of 5,000 not let in", True)
LEFT = Measure(
    "connect_left_behind", f"sessions left {LEAVE_S:.0f} s after all closed at once", True
)
MEASURES = (TIME, MEMORY, MEMORY_TLS, REFUSED, LEFT)


@dataclass(frozen=True)
class Crowd:
    """Fleet files."""

    all_agents: Path
    few_agents: Path
    assets: Path


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    workshop.agents()
    workshop.python_messages()
    budget.restart()
    with workshop.scratch() as folder:
        crowd = Crowd(
            write_agents(folder / "all.txt", AGENTS, 1),
            write_agents(folder / "few.txt", WARMUP_AGENTS, 1),
            write_assets(folder / "assets.yaml", AGENTS),
        )

        def contestant(
            name: str,
            start: Callable[[], AbstractContextManager[Server]],
            sessions: Callable[[Server], int] | None,
        ) -> Contestant:
            keys = (TIME.key, MEMORY.key, REFUSED.key) + ((LEFT.key,) if sessions else ())
            return Contestant(
                name, keys, partial(_measure, workshop, budget, crowd, start, sessions)
            )

        contestants = [
            contestant(OURS, partial(servers.derhead, crowd.assets), _listed_agents),
            contestant("grpc.aio", servers.grpc_aio, _counted_sessions),
            contestant("grpc-go", servers.grpc_go, _counted_sessions),
            contestant("mosquitto", servers.mosquitto, None),
            Contestant(
                OURS, (MEMORY_TLS.key,), partial(_measure_tls, workshop, budget, servers, crowd)
            ),
        ]
        return compete(MEASURES, contestants, budget, main_peer="grpc.aio", tell=workshop.tell)


def _listed_agents(server: Server) -> int:
    assert server.http_port is not None
    return len(get_items(server.http_port, "/agents", timeout_s=10))


def _counted_sessions(server: Server) -> int:
    return int(server.stats()["sessions"])


def _measure(
    workshop: Workshop,
    budget: Budget,
    crowd: Crowd,
    start: Callable[[], AbstractContextManager[Server]],
    sessions: Callable[[Server], int] | None,
    sheet: Sheet,
) -> None:
    with start() as server:
        with connected(workshop, budget, crowd.few_agents, server.port, mqtt=server.mqtt) as few:
            few.close()
        time.sleep(SETTLE_S)
        idle_kb = server.child.rss_kb()
        patience_s = budget.pick(12.0, 60.0)
        with connected(
            workshop,
            budget,
            crowd.all_agents,
            server.port,
            mqtt=server.mqtt,
            connect_timeout_s=patience_s,
        ) as agents:
            missing = agents.wanted - agents.welcomed
            note = f"{agents.welcomed:,} of {agents.wanted:,} in {agents.connect_s:.1f} s"
            sheet.put(TIME.key, None if missing else agents.connect_s, note if missing else None)
            sheet.put(REFUSED.key, missing)
            time.sleep(SETTLE_S)
            if agents.welcomed:
                sheet.put(MEMORY.key, (server.child.rss_kb() - idle_kb) / agents.welcomed)
            agents.close()
        if sessions is not None:
            sheet.put(LEFT.key, _left_behind(server, sessions))


def _left_behind(server: Server, sessions: Callable[[Server], int]) -> int:
    deadline = time.monotonic() + LEAVE_S
    while (left := sessions(server)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def _measure_tls(
    workshop: Workshop, budget: Budget, servers: Servers, crowd: Crowd, sheet: Sheet
) -> None:
    authority, certificate, key = workshop.certificates()
    count = budget.pick(200, 1000)
    with servers.derhead(crowd.assets, certificate=(certificate, key)) as server:
        with _tls_agents(workshop, budget, server, authority, WARMUP_AGENTS):
            pass
        time.sleep(SETTLE_S)
        idle_kb = server.child.rss_kb()
        with _tls_agents(workshop, budget, server, authority, count):
            time.sleep(SETTLE_S)
            sheet.put(MEMORY_TLS.key, (server.child.rss_kb() - idle_kb) / count)


@contextmanager
def _tls_agents(
    workshop: Workshop, budget: Budget, server: Server, authority: Path, count: int
) -> Iterator[None]:
    command = (
        *(sys.executable, HERE / "tls_agents.py", "--port", server.port),
        *("--authority", authority, "--agents", count),
    )
    with running(
        "tls-agents", command, cores=workshop.cores.generator, logs=workshop.logs
    ) as child:
        child.hear(budget.timeout_s(60))
        yield
