"""Subject ``pieces``: the value of each piece of the link's fast path.

The load of ``link``, with the headend whole and with one piece taken out (``without.py``).
"""

from functools import partial

from contest import Budget, Contestant, Sheet, compete
from fleets import write_agents
from generator import Agents, Window
from link import AGAIN_S, ASSETS, RATE, SESSIONS, Load, Start, put_cost
from measures import OURS, Findings, Measure
from servers import Server, Servers
from without import PIECES
from workshop import Workshop

COST = Measure("piece_us_per_message", "CPU a message, 20,000/s over 1,000 sessions (us)", True)
ACKED = Measure("piece_us_per_message_acked", "the same, each acknowledged at once (us)", True)
MEASURES = (COST, ACKED)


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    workshop.agents()
    budget.restart()
    with workshop.scratch() as folder:
        many = write_agents(folder / "many.txt", SESSIONS, ASSETS // SESSIONS)
        load = Load(workshop, budget, many=many, few=many)
        starts: dict[str, Start] = {OURS: partial(servers.our_link, ASSETS)}
        starts |= {
            f"without {piece}": partial(servers.our_link, ASSETS, without=piece) for piece in PIECES
        }
        contestants = [
            Contestant(name, (COST.key, ACKED.key), partial(_measure, load, start))
            for name, start in starts.items()
        ]
        return compete(
            MEASURES, contestants, budget, main_peer="without shared_reader", tell=workshop.tell
        )


def _measure(load: Load, start: Start, sheet: Sheet) -> None:
    with load.connected(start, load.many) as (server, agents):
        put_cost(sheet, COST.key, _go(load, server, agents, load.warmup_s))
        server.acknowledge()
        put_cost(sheet, ACKED.key, _go(load, server, agents, AGAIN_S))


def _go(load: Load, server: Server, agents: Agents, warmup_s: float) -> Window:
    return agents.go(server, rate=RATE, rows=1, warmup_s=warmup_s, seconds=load.seconds)
