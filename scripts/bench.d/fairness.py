"""Subject ``fairness``: the effect of 50 flooding sessions on 950 others.

Each of the 950 sends a message a second and gets setpoints. The 50 send messages of one row as
fast as the server takes them. A session's work in one turn is bounded, so the others wait for
fifty turns at most.
"""

from functools import partial
from pathlib import Path

from contest import Budget, Contestant, Sheet, compete
from fleets import write_agents
from generator import connected
from link import ORDERS_A_SECOND, Start, quantile_ms
from measures import OURS, Findings, Measure
from servers import Servers
from workshop import Workshop

QUIET, FLOODING = 950, 50
RATE = 950
"""Messages a second of all quiet sessions together."""

ASSETS = QUIET + FLOODING

P50 = Measure("flooded_setpoint_p50_ms", "setpoint of 950 beside 50 floods, p50 (ms)", True)
P99 = Measure("flooded_setpoint_p99_ms", "setpoint of 950 beside 50 floods, p99 (ms)", True)
WAY = Measure("flooded_message_p99_ms", "message of those 950 to latest table, p99 (ms)", True)
FLOOD = Measure("flood_messages_per_s", "messages/s taken of the floods meanwhile")
MEASURES = (P50, P99, WAY, FLOOD)


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    workshop.agents()
    workshop.python_messages()
    budget.restart()
    with workshop.scratch() as folder:
        quiet = write_agents(folder / "quiet.txt", QUIET, 1)
        flooding = write_agents(folder / "flooding.txt", FLOODING, 1, first=QUIET)

        def contestant(name: str, start: Start) -> Contestant:
            keys = tuple(m.key for m in MEASURES if name == OURS or m is not WAY)
            measure = partial(_measure, workshop, budget, start, quiet, flooding)
            return Contestant(name, keys, measure)

        contestants = [
            contestant(OURS, partial(servers.our_link, ASSETS)),
            contestant("grpc.aio", servers.grpc_aio),
            contestant("grpc-go", servers.grpc_go),
        ]
        return compete(MEASURES, contestants, budget, main_peer="grpc.aio", tell=workshop.tell)


def _measure(
    workshop: Workshop,
    budget: Budget,
    start: Start,
    quiet: Path,
    flooding: Path,
    sheet: Sheet,
) -> None:
    warmup_s, seconds = budget.pick(1.0, 2.0), budget.pick(3.0, 10.0)
    flood_s = warmup_s + seconds + 1.0
    with (
        start() as server,
        connected(workshop, budget, quiet, server.port) as agents,
        connected(workshop, budget, flooding, server.port) as floods,
    ):
        agents.require_all()
        floods.require_all()
        server.order(ORDERS_A_SECOND, agents=QUIET)
        floods.flood(1, flood_s)
        window = agents.go(server, rate=RATE, rows=1, warmup_s=warmup_s, seconds=seconds)
        sheet.put(FLOOD.key, floods.end_flood(flood_s))
    note = None
    if len(window.setpoints_us) < ORDERS_A_SECOND * seconds / 2:
        note = f"only {len(window.setpoints_us):,} setpoints were reported in time"
    sheet.put(P50.key, quantile_ms(window.setpoints_us, 0.50), note)
    sheet.put(P99.key, quantile_ms(window.setpoints_us, 0.99), note)
    if window.ways_us:
        sheet.put(WAY.key, quantile_ms(window.ways_us, 0.99))
