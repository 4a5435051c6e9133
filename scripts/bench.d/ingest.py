"""Subject ``ingest``: rows a second from agents to durable, through the real headend.

The peers are bare SQLite, which inserts the same rows into the same table, and Mosquitto. That
takes the same messages as MQTT QoS 1 and promises less: it saves its memory once a second.
``feeding.py`` measures the way from the journal into PostgreSQL.
"""

import json
import sys
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import feeding
from contest import ROUNDS, Budget, Contestant, Sheet, compete
from fleets import write_agents, write_assets
from generator import ANSWER_S, connected
from measures import OURS, Findings, Measure
from processes import running
from servers import Server, Servers
from workshop import HERE, Workshop

SESSIONS, ROWS = 50, 50
"""Agents at saturation, and rows in each of their messages."""

ASSETS = 1000

ONE_CORE = Measure("ingest_rows_per_s", "rows to durable, one core (rows/s)")
TWO_CORES = Measure(
    "ingest_rows_per_s_two_cores", "rows to durable, two cores shared with the agents (rows/s)"
)
MEASURES = (ONE_CORE, TWO_CORES, *feeding.MEASURES)


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    workshop.agents()
    budget.restart()
    with workshop.scratch() as folder:
        fleet = write_agents(folder / "agents.txt", SESSIONS, ASSETS // SESSIONS)
        assets = write_assets(folder / "assets.yaml", ASSETS)
        contestants = []
        for measure, cores in (
            (ONE_CORE, workshop.cores.server),
            (TWO_CORES, workshop.cores.both),
        ):
            headend = partial(servers.derhead, assets, cores)
            broker = partial(servers.mosquitto, cores)
            contestants += [
                _served(workshop, budget, OURS, measure, fleet, headend),
                _bare(workshop, budget, measure, cores),
                _served(workshop, budget, "mosquitto", measure, fleet, broker),
            ]
        journal = (ONE_CORE, TWO_CORES)
        findings = compete(
            journal,
            contestants,
            budget,
            main_peer="sqlite",
            tell=workshop.tell,
            # A quick run has another half to come.
            most_rounds=budget.pick(1, ROUNDS),
        )
        budget.restart()
        return findings + feeding.run(workshop, budget, fleet, assets)


def _served(
    workshop: Workshop,
    budget: Budget,
    name: str,
    measure: Measure,
    fleet: Path,
    start: Callable[[], AbstractContextManager[Server]],
) -> Contestant:
    def run_once(sheet: Sheet) -> None:
        with (
            start() as server,
            connected(workshop, budget, fleet, server.port, mqtt=server.mqtt) as agents,
        ):
            agents.require_all()
            window = agents.go(
                server,
                rate=0,
                rows=ROWS,
                warmup_s=budget.pick(0.5, 1.0),
                seconds=budget.pick(2.0, 8.0),
            )
            sheet.put(measure.key, window.acked_rows / window.seconds, window.doubt())

    return Contestant(name, (measure.key,), run_once)


def _bare(
    workshop: Workshop, budget: Budget, measure: Measure, cores: Collection[int]
) -> Contestant:
    def run_once(sheet: Sheet) -> None:
        seconds = budget.pick(1.5, 5.0)
        with workshop.scratch() as folder:
            command = (
                *(sys.executable, HERE / "bare_sqlite.py"),
                *("--data", folder, "--seconds", seconds),
            )
            with running("sqlite", command, cores=cores, logs=workshop.logs) as child:
                # Making the rows takes about as long as storing them.
                done = json.loads(child.wait(budget.timeout_s(4 * seconds + ANSWER_S)))
        sheet.put(measure.key, done["rows"] / done["seconds"])

    return Contestant("sqlite", (measure.key,), run_once)
