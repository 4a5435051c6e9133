"""Subject ``events``: the cost of readers of ``/events`` to the real headend.

1,000 assets each send a sample a second, so each frame holds all of them, some 0.4 MB. 100
readers ask for everything. The same load without readers comes first.
"""

import sys
from functools import partial

from contest import Budget, Contestant, Sheet, compete
from errors import Failed
from fleets import write_agents, write_assets
from generator import Agents, connected
from measures import OURS, Findings, Measure
from processes import running
from servers import Server, Servers
from workshop import HERE, Workshop

ASSETS = 1000
READERS = 100
ANSWER_S = 20.0

CORES = Measure(
    "events_cores",
    f"/events: {READERS} readers, frames of {ASSETS:,} assets (CPU seconds a second)",
    lower_is_better=True,
)
FRAMES = Measure("events_frames_per_s", "/events: frames a second, the reader with fewest")
RSS = Measure("events_kb_per_reader", "/events: memory a reader (KiB)", lower_is_better=True)
MEASURES = (CORES, FRAMES, RSS)


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    workshop.agents()
    budget.restart()
    contestants = [
        Contestant(
            OURS,
            tuple(measure.key for measure in MEASURES),
            partial(_measure, workshop, budget, servers),
        )
    ]
    return compete(MEASURES, contestants, budget, main_peer="", tell=workshop.tell)


def _measure(workshop: Workshop, budget: Budget, servers: Servers, sheet: Sheet) -> None:
    seconds = budget.pick(5.0, 15.0)
    with workshop.scratch() as folder:
        assets = write_assets(folder / "assets.yaml", ASSETS)
        fleet = write_agents(folder / "agents.txt", ASSETS, 1)
        with (
            servers.derhead(assets) as server,
            connected(workshop, budget, fleet, server.port) as agents,
        ):
            agents.require_all()
            without_s, doubt = _load(agents, server, seconds)
            rss_kb = server.child.rss_kb()
            command = (
                *(sys.executable, HERE / "event_readers.py"),
                *("--port", server.http_port, "--readers", READERS),
            )
            with running(
                "readers", command, cores=workshop.cores.generator, logs=workshop.logs
            ) as readers:
                readers.hear(budget.timeout_s(ANSWER_S))
                readers.ask("count", budget.timeout_s(ANSWER_S))
                cpu_before_s = readers.cpu_s()
                with_s, doubt_too = _load(agents, server, seconds)
                counted = readers.ask("count", budget.timeout_s(ANSWER_S))
                readers_busy = (readers.cpu_s() - cpu_before_s) / (seconds + 1)
            if counted["gone"]:
                raise Failed(f"{counted['gone']} readers were sent away")
            frame_kb = counted["bytes"] / max(1, counted["frames"]) / 1e3
            told = f"{frame_kb:.0f} kB a frame, readers used {readers_busy:.0%} of their core"
            sheet.put(CORES.key, with_s - without_s, told, doubt, doubt_too)
            # The count includes the warm-up.
            sheet.put(FRAMES.key, counted["fewest_frames"] / (seconds + 1))
            sheet.put(RSS.key, (server.child.rss_kb() - rss_kb) / READERS)


def _load(agents: Agents, server: Server, seconds: float) -> tuple[float, str | None]:
    """Cores that the headend used under the load, and the remark on that figure."""
    window = agents.go(server, rate=ASSETS, rows=1, warmup_s=1, seconds=seconds)
    return window.server_cpu_s / window.seconds, None
