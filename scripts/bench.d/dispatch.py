"""Subject ``dispatch``: the time from an order to its start, and the most dispatches a second.

The real headend with its journal runs on one core. On the other, 1,000 agents answer each
setpoint with received and started, and with superseded for the one before. There is no peer to
compare with: no other server takes orders by HTTP, keeps them on disk and follows them over a
stream to a device and back.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contest import Budget, Contestant, Sheet, compete
from errors import Failed
from fleets import write_agents, write_assets
from generator import ANSWER_S, Agents, Window, connected
from link import KEPT_UP, quantile_ms
from measures import OURS, Findings, Measure
from processes import Child, running
from servers import Server, Servers
from workshop import HERE, Workshop

ASSETS = 1000
"""Each with an agent of its own."""

TELEMETRY_RATE = 5_000
"""Messages of one row a second, over all agents."""

IDLE_RATE = 1
"""The same while only orders are measured; 0 would mean as many as possible."""

RATE = 200
"""Orders a second, over all assets."""

CONNECTIONS = 32
"""HTTP connections for paced orders, and so the most orders that wait for an answer."""

SATURATING = 64
"""HTTP connections at saturation: an order waits on each of them all the time."""

BUSY = 0.8
"""Share of its core below which the headend was not the limit. It is less than 1, because the
headend also waits for the disk."""

LATE_S = 15.0
"""Time after the run that the ordering program may take to answer."""

P50 = Measure(
    "dispatch_started_p50_ms", "POST /dispatch to started, durable, p50 (ms)", lower_is_better=True
)
P99 = Measure(
    "dispatch_started_p99_ms", "POST /dispatch to started, durable, p99 (ms)", lower_is_better=True
)
MOST = Measure("dispatches_per_s", "dispatches to started, durable, one core (dispatches/s)")
MEASURES = (P50, P99, MOST)


@dataclass(frozen=True)
class Load:
    """The fleet and the times of a run."""

    workshop: Workshop
    budget: Budget
    servers: Servers
    assets: Path
    agents: Path
    number_of_assets: int = ASSETS

    @property
    def warmup_s(self) -> float:
        return self.budget.pick(1.0, 2.0)

    @property
    def seconds(self) -> float:
        return self.budget.pick(5.0, 15.0)

    @contextmanager
    def running(self) -> Iterator[tuple[Server, Agents, Child]]:
        """A headend, its agents, all let in, and who orders. Raises: Failed."""
        with (
            self.servers.derhead(self.assets) as server,
            connected(
                self.workshop, self.budget, self.agents, server.port, superseding=True
            ) as agents,
        ):
            agents.require_all()
            command = (
                *(sys.executable, HERE / "orders.py", "--port", server.http_port),
                *("--journal", server.journal, "--assets", self.number_of_assets),
            )
            cores = self.workshop.cores.generator
            with running("orders", command, cores=cores, logs=self.workshop.logs) as orders:
                orders.hear(self.budget.timeout_s(ANSWER_S))
                yield server, agents, orders


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    workshop.agents()
    budget.restart()
    with workshop.scratch() as folder:
        load = Load(
            workshop,
            budget,
            Servers(workshop, budget),
            write_assets(folder / "assets.yaml", ASSETS),
            write_agents(folder / "agents.txt", ASSETS, 1),
        )
        contestants = [
            Contestant(OURS, (P50.key, P99.key), lambda sheet: _measure_paced(load, sheet)),
            Contestant(OURS, (MOST.key,), lambda sheet: _measure_most(load, sheet)),
        ]
        return compete(MEASURES, contestants, budget, main_peer="", tell=workshop.tell)


def _measure_paced(load: Load, sheet: Sheet) -> None:
    counted, window = _count(load, RATE, CONNECTIONS, TELEMETRY_RATE)
    times_us = counted["started_us"]
    rate = window.taken_rows / window.seconds
    kept_up = rate >= TELEMETRY_RATE * KEPT_UP
    note = None if kept_up else f"kept up with only {rate:,.0f} of {TELEMETRY_RATE:,}/s"
    sheet.put(P50.key, quantile_ms(times_us, 0.50), note, window.doubt())
    sheet.put(P99.key, quantile_ms(times_us, 0.99), note, window.doubt())


def _measure_most(load: Load, sheet: Sheet) -> None:
    counted, window = _count(load, 0, SATURATING, IDLE_RATE)
    # Otherwise the figure is that of the ordering program, or of another process on the core.
    busy = window.server_cpu_s / window.seconds
    note = None if busy > BUSY else f"its core was only {busy:.0%} busy"
    sheet.put(MOST.key, counted["started"] / load.seconds, note, window.doubt())


def _count(
    load: Load, rate: float, connections: int, telemetry_rate: float
) -> tuple[dict[str, Any], Window]:
    """The counts of the ordering program, with remarks on the run.

    Raises: Failed, also if an order was refused or never started: its time would be missing.
    """
    with load.running() as (server, agents, orders):
        orders.say(f"run {rate:g} {connections} {load.warmup_s:g} {load.seconds:g}")
        window = agents.go(
            server, rate=telemetry_rate, rows=1, warmup_s=load.warmup_s, seconds=load.seconds
        )
        counted = orders.hear(load.budget.timeout_s(LATE_S))
    if counted["refused"] or counted["lost"]:
        raise Failed(
            f"of {counted['orders']:,} orders {counted['refused']:,} were refused and "
            f"{counted['lost']:,} not started"
        )
    if not counted["started_us"]:
        raise Failed("no order was started while it was counted")
    # The program that orders belongs to the core; its warm-up does not count here.
    orders_busy = counted["cpu_s"] / (load.warmup_s + load.seconds)
    return counted, replace(
        window,
        generator_busy=window.generator_busy + orders_busy,
        others_busy=window.others_busy - orders_busy,
    )
