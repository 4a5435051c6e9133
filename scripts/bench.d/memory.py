"""Subject ``memory``: the memory of a session of the headend's link, by package.

``tracemalloc`` tells which package's code allocated the memory. It sees neither what Python's
allocators hold for themselves, nor the kernel's memory of a socket.
"""

from contest import Budget
from fleets import write_agents
from generator import connected
from measures import OURS, Findings, Measure
from servers import Servers
from workshop import Workshop

SESSIONS = 1000
WARMUP = 50

LEAST_KB = 0.1
"""Memory of a session below which a package is not listed."""

MEASURES = (Measure("kb_per_session_traced", "a session, all that is traced (kB)", True),)


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    workshop.agents()
    budget.restart()
    with (
        workshop.scratch() as folder,
        servers.our_link(SESSIONS, trace=True) as server,
    ):
        few = write_agents(folder / "few.txt", WARMUP, 1)
        many = write_agents(folder / "many.txt", SESSIONS, 1)
        with connected(workshop, budget, few, server.port) as agents:
            agents.close()
        before = server.memory()
        with connected(workshop, budget, many, server.port) as agents:
            agents.require_all()
            after = server.memory()
    kb = {owner: (after[owner] - before.get(owner, 0)) / 1024 / SESSIONS for owner in after}
    findings = [_finding(MEASURES[0], sum(kb.values()))]
    for owner, each_kb in sorted(kb.items(), key=lambda pair: -pair[1]):
        if each_kb >= LEAST_KB:
            key = f"kb_per_session_{owner.lower()}"
            findings.append(_finding(Measure(key, f"of that, by {owner} (kB)", True), each_kb))
    return findings


def _finding(measure: Measure, value: float) -> Findings:
    finding = Findings(measure)
    finding.add(OURS, value)
    return finding
