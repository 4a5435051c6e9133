"""Subject ``storm``: 3,000 real agents lose the headend at once, by kill -9 and by a cut.

The real headend with its journal, and real agents in a few processes, one of which holds the
witnesses that get orders. Time counts from the moment
when the headend listens again, or when the cut ends. ``--quick`` takes 300 agents and a cut of a
minute; since sessions have to last a minute first, it takes five minutes all the same.
"""

import contextlib
import http.client
import json
import math
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asking import get_items, get_text
from contest import Budget
from errors import Failed
from fleets import asset_id, write_assets
from measures import OURS, Findings, Measure
from processes import Child, free_port, running, wait_listening
from workshop import HERE, Workshop

PROCESSES = 3
WITNESS_SHARE = 50
"""One agent of so many is a witness: it runs in a process that is not busy, as at a site of its
own, and the orders are for it."""

NICENESS = 10
"""The others take what the headend and the witnesses leave of both cores."""

HEALTHY_S = 65.0
"""Sessions of at least a minute come before each loss, seconds."""

ORDERS_S = 20.0
"""Orders a second, to witnesses that are back."""

LIMIT_S = 120.0
"""Most time for a fleet to come back, seconds."""

FRESH_S = 10.0
"""Telemetry of at most this age is fresh, seconds."""

START_S = 60.0
LOOK_S = 0.5


def _measures(kind: str, what: str) -> dict[str, Measure]:
    rows = {
        "registered_s": "all agents registered (s)",
        "fresh_s": "fresh telemetry of all (s)",
        "dispatch_p50_ms": "order to device, of witnesses already back, p50 (ms)",
        "dispatch_p99_ms": "the same, p99 (ms)",
        "ended_twice": "sessions that ended again before all were back",
        "sent_away": "Registers sent away with a turn",
        "rss_mb": "peak of resident memory (MiB)",
        "lag_s": "worst lag of the loop, at most (s)",
    }
    return {
        name: Measure(f"storm_{kind}_{name}", f"{what}: {title}", True)
        for name, title in rows.items()
    }


KILL = _measures("kill", "kill -9")
CUT = _measures("cut", "cut")
MEASURES = (*KILL.values(), *CUT.values())


@dataclass
class Fleet:
    """What the agents' processes say."""

    witnesses: int
    """The agents below this number are witnesses."""
    back: dict[int, float] = field(default_factory=dict)
    """When each connected agent was welcomed."""
    ended: int = 0
    """Sessions that ended."""
    started: dict[str, float] = field(default_factory=dict)
    """When a device began to follow each dispatch."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self, child: Child) -> None:
        """Takes lines of one process until it ends."""
        with contextlib.suppress(Failed):
            while True:
                line = child.hear(86_400)
                with self.lock:
                    if "up" in line:
                        self.back[line["up"]] = line["at"]
                    elif "down" in line:
                        self.ended += self.back.pop(line["down"], None) is not None
                    else:
                        self.started[line["started"]] = line["at"]

    def choose(self, rng: random.Random) -> int | None:
        """One of the connected witnesses."""
        with self.lock:
            back = [number for number in range(self.witnesses) if number in self.back]
        return rng.choice(back) if back else None


class Orders:
    """Orders witnesses that are back, one after another, in a thread."""

    def __init__(self, port: int, fleet: Fleet) -> None:
        self._port = port
        self._fleet = fleet
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.posted: dict[str, float] = {}
        self.failed = 0

    def __enter__(self) -> "Orders":
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ends.set()
        self._thread.join()

    def times_ms(self) -> list[float]:
        """From the start of POST to the device, of all whose device follows."""
        with self._fleet.lock:
            started = dict(self._fleet.started)
        return sorted(
            (started[name] - at) * 1000 for name, at in self.posted.items() if name in started
        )

    def _run(self) -> None:
        rng = random.Random(1)
        while not self._ends.wait(1 / ORDERS_S):
            number = self._fleet.choose(rng)
            if number is None:
                continue
            body = json.dumps({"asset_id": asset_id(number), "mw": 0.5, "duration_s": 5})
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                with contextlib.closing(connection):
                    connection.request(
                        "POST", "/dispatch", body, {"Content-Type": "application/json"}
                    )
                    answer = connection.getresponse()
                    said = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError):
                self.failed += 1
                continue
            if answer.status == 201:
                self.posted[said["id"]] = began
            else:
                self.failed += 1


@dataclass(frozen=True)
class Daemon:
    """How the headend is started, again and again, on the same ports and data."""

    workshop: Workshop
    assets: Path
    data: Path
    port: int
    http_port: int

    @contextlib.contextmanager
    def running(self) -> Iterator[Child]:
        """The headend, once it listens."""
        command = (
            *(sys.executable, "-m", "derhead", "serve", "--assets", self.assets),
            *("--data", self.data, "--grpc", f"127.0.0.1:{self.port}"),
            *("--http", f"127.0.0.1:{self.http_port}", "--log-level", "warning"),
        )
        cores, logs = self.workshop.cores.server, self.workshop.logs
        with running("derhead", command, cores=cores, logs=logs) as child:
            wait_listening(child, self.http_port, START_S)
            yield child

    def metrics(self) -> dict[str, float]:
        lines = get_text(self.http_port, "/metrics", 10).splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and line[0] != "#")
        return {name: float(value) for name, _, value in pairs}


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    count, cut_s = budget.pick(300, 3000), budget.pick(60.0, 600.0)
    found = {measure.key: Findings(measure) for measure in MEASURES}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(workshop.scratch())
        daemon = Daemon(
            workshop,
            write_assets(folder / "assets.yaml", count),
            folder / "data",
            free_port(),
            free_port(),
        )
        fleet = Fleet(witnesses=count // WITNESS_SHARE)
        crowd = (count - fleet.witnesses) // PROCESSES
        firsts = range(fleet.witnesses, count, crowd)
        with daemon.running() as first:
            children = [
                stack.enter_context(_agents(workshop, daemon.port, 0, fleet.witnesses, nice=0)),
                *(
                    stack.enter_context(_agents(workshop, daemon.port, first, crowd, NICENESS))
                    for first in firsts
                ),
            ]
            for child in children:
                threading.Thread(target=fleet.listen, args=(child,), daemon=True).start()
            _await_all(fleet, count, time.monotonic() + START_S)
            time.sleep(HEALTHY_S)
            os.kill(first.pid, signal.SIGKILL)
        while fleet.back:
            time.sleep(0.01)
        with daemon.running() as second:
            _follow(daemon, second, children, fleet, count, KILL, found)
            time.sleep(HEALTHY_S)
            for child in children:
                child.say("cut")
            time.sleep(cut_s)
            while fleet.back:
                # An agent notices a cut after 30 s of silence.
                time.sleep(0.1)
            for child in children:
                child.say("heal")
            _follow(daemon, second, children, fleet, count, CUT, found)
    note = f"{count:,} agents, cut of {cut_s:g} s"
    for findings in found.values():
        findings.notes[OURS] = note
    return list(found.values())


@contextlib.contextmanager
def _agents(workshop: Workshop, port: int, first: int, count: int, nice: int) -> Iterator[Child]:
    command = (
        *(sys.executable, HERE / "storm_agents.py", "--port", port),
        *("--first", first, "--agents", count, "--nice", nice),
    )
    cores, logs = workshop.cores.both, workshop.logs
    with running(f"storm-agents-{first}", command, cores=cores, logs=logs) as child:
        yield child


def _await_all(fleet: Fleet, count: int, until: float) -> None:
    """Raises: Failed, if some agents are not back in time."""
    while len(fleet.back) < count:
        if time.monotonic() > until:
            raise Failed(f"only {len(fleet.back):,} of {count:,} agents are back")
        time.sleep(0.05)


def _follow(
    daemon: Daemon,
    server: Child,
    agents: Sequence[Child],
    fleet: Fleet,
    count: int,
    measures: dict[str, Measure],
    found: dict[str, Findings],
) -> None:
    """Follows the fleet's return, from now on."""
    began = time.monotonic()
    ended, before = fleet.ended, daemon.metrics()
    headend_s, agents_s = _cpu_s([server]), _cpu_s(agents)
    with Orders(daemon.http_port, fleet) as orders:
        _await_all(fleet, count, began + LIMIT_S)
        registered_s = max(fleet.back.values()) - began
        ended_twice = fleet.ended - ended
        while not _all_fresh(daemon, count):
            if time.monotonic() > began + LIMIT_S:
                raise Failed("not all telemetry is fresh")
            time.sleep(LOOK_S)
        fresh_s = time.monotonic() - began
        headend_s, agents_s = _cpu_s([server]) - headend_s, _cpu_s(agents) - agents_s
    time.sleep(1)
    after, times_ms = daemon.metrics(), orders.times_ms()
    busy = 'derhead_sessions_refused_total{reason="busy"}'
    missing = len(orders.posted) - len(times_ms)
    figures = {
        "registered_s": registered_s,
        "fresh_s": fresh_s,
        "dispatch_p50_ms": statistics.median(times_ms) if times_ms else None,
        "dispatch_p99_ms": times_ms[len(times_ms) * 99 // 100] if times_ms else None,
        "ended_twice": ended_twice,
        "sent_away": after[busy] - before[busy],
        "rss_mb": _peak_mb(server.pid),
        "lag_s": _worst_lag_s(before, after),
    }
    for name, value in figures.items():
        found[measures[name].key].add(OURS, value)
    daemon.workshop.tell(
        f"  back in {registered_s:.1f} s, fresh in {fresh_s:.1f} s; {len(orders.posted)} orders, "
        f"{missing} not started, {orders.failed} not taken; "
        f"{headend_s:.1f} s of CPU by the headend, {agents_s:.1f} s by the agents"
    )


def _cpu_s(children: Sequence[Child]) -> float:
    return sum(child.cpu_s() for child in children)


def _all_fresh(daemon: Daemon, count: int) -> bool:
    items = get_items(daemon.http_port, "/telemetry", 10)
    ages = [item["age_s"] for item in items if item.get("age_s") is not None]
    return len(ages) == count and max(ages) <= FRESH_S


def _worst_lag_s(before: dict[str, float], after: dict[str, float]) -> float | None:
    """The bound of the highest bucket with a lag in between; None = it is beyond the last one."""
    name = 'derhead_loop_lag_seconds_bucket{le="'
    grown = {
        float(key.removeprefix(name).removesuffix('"}')): value - before[key]
        for key, value in after.items()
        if key.startswith(name)
    }
    worst_s = min(bound for bound, count in grown.items() if count == grown[math.inf])
    return worst_s if math.isfinite(worst_s) else None


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failed("no peak of memory in /proc")
