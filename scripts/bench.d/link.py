"""Subject ``link``: the cost of a message, and the time of a setpoint under load.

Ours also runs over TLS, where server and agents show certificates, beside the same without TLS.

The headend's real link, sessions, desk and codec run over a store that keeps nothing. The peers
keep the newest row in a dict. Nothing is durable, so nothing is acknowledged. Two further runs
acknowledge every message at once, and use the journal; there the peer is grpc.aio with the
journal's table.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from contest import Budget, Contestant, Sheet, compete
from credentials import write_credentials
from errors import Failed, Unavailable
from fleets import write_agents
from generator import Agents, Window, connected
from measures import OURS, Findings, Measure
from servers import Server, Servers
from workshop import Workshop

SESSIONS = 1000
RATE = 20_000
"""Messages of one row a second, over all sessions."""

TLS_RATE = 5_000
"""The same over TLS. With setpoints beside them, twice as many would fill the core."""

WITHOUT_TLS = "without_tls"
"""Ours without TLS under the load of that with TLS."""

FLOODING, BATCH = 50, 50
"""Sessions at saturation, and rows in each of their messages."""

ASSETS = 1000
ORDERS_A_SECOND = 200

AGAIN_S = 0.3
"""Warm-up of a server that had the same load a moment ago, seconds."""

KEPT_UP = 0.95
"""The share of the rate below which a server did not keep up."""

COST = Measure(
    "cpu_us_per_message", "CPU a message, 20,000/s over 1,000 sessions (us)", lower_is_better=True
)
ACKED = Measure(
    "cpu_us_per_message_acked", "CPU a message, same load, each acknowledged at once (us)", True
)
P50 = Measure("setpoint_p50_ms", "setpoint to report under that load, p50 (ms)", True)
P99 = Measure("setpoint_p99_ms", "setpoint to report under that load, p99 (ms)", True)
SATURATED = Measure(
    "saturated_samples_per_cpu_s", "saturated: 50 sessions of 50-row messages (samples/CPU s)"
)
JOURNALED = Measure(
    "cpu_us_per_message_journaled", "CPU a message, same load, journal on (us)", True
)
COST_TLS = Measure("cpu_us_per_message_tls", "CPU a message, 5,000/s, mutual TLS (us)", True)
ACKED_TLS = Measure(
    "cpu_us_per_message_acked_tls", "the same, each acknowledged at once, mutual TLS (us)", True
)
P50_TLS = Measure("setpoint_p50_ms_tls", "setpoint to report, p50, mutual TLS (ms)", True)
P99_TLS = Measure("setpoint_p99_ms_tls", "setpoint to report, p99, mutual TLS (ms)", True)
SATURATED_TLS = Measure("saturated_samples_per_cpu_s_tls", "saturated, mutual TLS (samples/CPU s)")
MEASURES = (
    *(COST, ACKED, P50, P99, SATURATED, JOURNALED),
    *(COST_TLS, ACKED_TLS, P50_TLS, P99_TLS, SATURATED_TLS),
)


class Keys(NamedTuple):
    """The figures of one kind of connection."""

    cost: str
    acked: str
    p50: str
    p99: str
    saturated: str


CLEARTEXT = Keys(COST.key, ACKED.key, P50.key, P99.key, SATURATED.key)
TLS = Keys(COST_TLS.key, ACKED_TLS.key, P50_TLS.key, P99_TLS.key, SATURATED_TLS.key)


Start = Callable[[], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Load:
    """Fleets and times of the runs."""

    workshop: Workshop
    budget: Budget
    many: Path
    """1,000 agents of one asset."""
    few: Path
    """50 agents of 20 assets."""

    @property
    def warmup_s(self) -> float:
        return self.budget.pick(0.5, 1.0)

    @property
    def seconds(self) -> float:
        return self.budget.pick(2.0, 5.0)

    @contextmanager
    def connected(self, start: Start, fleet: Path) -> Iterator[tuple[Server, Agents]]:
        """A server with all agents of a fleet connected. Raises: Failed."""
        with (
            start() as server,
            connected(
                *(self.workshop, self.budget, fleet, server.port),
                mqtt=server.mqtt,
                tls=server.tls,
            ) as agents,
        ):
            agents.require_all()
            yield server, agents


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    workshop.agents()
    workshop.python_messages()
    with contextlib.suppress(Unavailable):
        # The turn over TLS repeats the message.
        workshop.agents(tls=True)
    budget.restart()
    with workshop.scratch() as folder:
        load = Load(
            workshop,
            budget,
            many=write_agents(folder / "many.txt", SESSIONS, ASSETS // SESSIONS),
            few=write_agents(folder / "few.txt", FLOODING, ASSETS // FLOODING),
        )
        ours = partial(servers.our_link, ASSETS)
        tls_many = partial(ours, tls=write_credentials(folder / "many", load.many))
        tls_few = partial(ours, tls=write_credentials(folder / "few", load.few))
        # The last ones get no turn if a quick run has no time left.
        contestants = [
            *_contestants(load, OURS, ours),
            *_contestants(load, "grpc.aio", servers.grpc_aio),
            *_contestants(load, "grpc-go", servers.grpc_go),
            _journaled(load, OURS, lambda journal: servers.our_link(ASSETS, journal)),
            _paced(load, OURS, tls_many, TLS, TLS_RATE),
            _saturated(load, OURS, tls_few, TLS),
            _journaled(load, "grpc.aio", servers.grpc_aio),
            _broker(load, "mosquitto", servers.mosquitto),
            _saturated(load, "mosquitto", servers.mosquitto),
            _paced(load, WITHOUT_TLS, ours, TLS, TLS_RATE),
            _saturated(load, WITHOUT_TLS, ours, TLS),
        ]
        return compete(MEASURES, contestants, budget, main_peer="grpc.aio", tell=workshop.tell)


def _contestants(load: Load, name: str, start: Start) -> list[Contestant]:
    return [_paced(load, name, start), _saturated(load, name, start)]


def _paced(
    load: Load, name: str, start: Start, keys: Keys = CLEARTEXT, rate: int = RATE
) -> Contestant:
    def measure(sheet: Sheet) -> None:
        with load.connected(start, load.many) as (server, agents):
            go = partial(agents.go, server, rate=rate, rows=1, seconds=load.seconds)
            put_cost(sheet, keys.cost, go(warmup_s=load.warmup_s), rate)
            server.order(ORDERS_A_SECOND)
            _put_times(sheet, keys, go(warmup_s=AGAIN_S))
            server.order(0)
            server.acknowledge()
            put_cost(sheet, keys.acked, go(warmup_s=AGAIN_S), rate)

    return Contestant(name, (keys.cost, keys.p50, keys.p99, keys.acked), measure)


def _broker(load: Load, name: str, start: Start) -> Contestant:
    """A broker always acknowledges, and sends no setpoints."""

    def measure(sheet: Sheet) -> None:
        with load.connected(start, load.many) as (server, agents):
            window = agents.go(
                server, rate=RATE, rows=1, warmup_s=load.warmup_s, seconds=load.seconds
            )
            put_cost(sheet, ACKED.key, window)

    return Contestant(name, (ACKED.key,), measure)


def _saturated(load: Load, name: str, start: Start, keys: Keys = CLEARTEXT) -> Contestant:
    def measure(sheet: Sheet) -> None:
        with load.connected(start, load.few) as (server, agents):
            window = agents.go(
                server, rate=0, rows=BATCH, warmup_s=load.warmup_s, seconds=load.seconds
            )
            # Otherwise the figure is that of the generator, or of another process on the core.
            busy = window.server_cpu_s / window.seconds
            note = None if busy > KEPT_UP else f"its core was only {busy:.0%} busy"
            sheet.put(
                keys.saturated, _per(window.taken_rows, window.server_cpu_s), note, window.doubt()
            )

    return Contestant(name, (keys.saturated,), measure)


def _journaled(
    load: Load, name: str, start: Callable[[Path], AbstractContextManager[Server]]
) -> Contestant:
    @contextmanager
    def on_disk() -> Iterator[Server]:
        with load.workshop.scratch() as folder, start(folder) as server:
            yield server

    def measure(sheet: Sheet) -> None:
        with load.connected(on_disk, load.many) as (server, agents):
            window = agents.go(
                server, rate=RATE, rows=1, warmup_s=load.warmup_s, seconds=load.seconds
            )
            put_cost(sheet, JOURNALED.key, window)

    return Contestant(name, (JOURNALED.key,), measure)


def put_cost(sheet: Sheet, key: str, window: Window, rate: int = RATE) -> None:
    """CPU time for each message that the server took, of ``rate`` a second."""
    taken = window.taken_rows / window.seconds
    note = None if taken >= rate * KEPT_UP else f"kept up with only {taken:,.0f} of {rate:,}/s"
    sheet.put(key, 1e6 * _per(window.server_cpu_s, window.taken_rows), note, window.doubt())


def _put_times(sheet: Sheet, keys: Keys, window: Window) -> None:
    times_us = window.setpoints_us
    ordered = ORDERS_A_SECOND * window.seconds
    note = None
    if len(times_us) < ordered / 2:
        note = f"only {len(times_us):,} of {ordered:,.0f} setpoints were reported in time"
    sheet.put(keys.p50, quantile_ms(times_us, 0.50), note, window.doubt())
    sheet.put(keys.p99, quantile_ms(times_us, 0.99), note, window.doubt())


def quantile_ms(times_us: list[int], share: float) -> float | None:
    """The time within which this share arrived, ms; None without arrivals."""
    if not times_us:
        return None
    ordered = sorted(times_us)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


def _per(what: float, each: float) -> float:
    if not each:
        raise Failed("nothing was taken while it was counted")
    return what / each
