"""Subject ``devices``: one agent with 200 SunSpec devices, each read every second.

The real headend and agent, against pymodbus's clients that ask for the same registers. The peer
decodes nothing, keeps nothing, and has no headend.
"""

import http.client
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from asking import get_items
from contest import Budget, Contestant, Sheet, compete
from errors import Failed
from fleets import RATED_MW, SITE_ID, asset_id
from measures import OURS, Findings, Measure
from processes import Child, running
from servers import Server, Servers
from workshop import HERE, ROOT, Workshop

DEVICES = 200
PERIOD_S = 1.0
START_S = 30.0
"""Most time until all devices are read, seconds."""
LOOK_S = 0.25
ORDERS_A_SECOND = 5
STEP_W = 100
"""The step of the devices' setpoint, W. Each order asks for another multiple of it."""
RENEWAL_S = 20.0
"""The agent renews commands as often: a plan made within less holds none of their registers."""

CPU = Measure("device_cpu_ms", f"CPU a reading, {DEVICES} devices at 1 s (ms)", True)
LONGEST = Measure("device_longest_s", "longest time between two readings of a device (s)", True)
OLDEST = Measure("device_oldest_s", "oldest sample that the headend showed (s)", True)
MEDIAN = Measure("register_p50_ms", "from POST to the device's register, median (ms)", True)
SLOWEST = Measure("register_p99_ms", "from POST to the device's register, p99 (ms)", True)
MEASURES = (CPU, LONGEST, OLDEST, MEDIAN, SLOWEST)


@dataclass(frozen=True)
class Yard:
    """Running devices and the files of an agent that steers them."""

    devices: Child
    ports: list[int]
    assets: Path
    data: Path


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    budget.restart()
    plan: dict[str, Any] = {}
    contestants = [
        Contestant(
            OURS,
            tuple(measure.key for measure in MEASURES),
            partial(_measure_ours, workshop, budget, servers, plan),
        ),
        Contestant(
            "pymodbus", (CPU.key, LONGEST.key), partial(_measure_peer, workshop, budget, plan)
        ),
    ]
    return compete(MEASURES, contestants, budget, main_peer="pymodbus", tell=workshop.tell)


def _measure_ours(
    workshop: Workshop, budget: Budget, servers: Servers, plan: dict[str, Any], sheet: Sheet
) -> None:
    with (
        _open_yard(workshop, budget) as yard,
        servers.derhead(
            yard.assets,
            cores=workshop.cores.generator,
            settings={"DERHEAD_TELEMETRY_PERIOD_S": f"{PERIOD_S:g}"},
        ) as headend,
        _agent(workshop, yard, headend) as agent,
    ):
        _wait_fresh(headend, budget)
        if not plan:
            plan.update(_plan_of(yard))
        oldest_s = 0.0
        with _counted(yard, agent, budget, sheet) as until_s:
            while time.monotonic() < until_s:
                time.sleep(LOOK_S)
                oldest_s = max(oldest_s, _oldest_s(headend))
        sheet.put(OLDEST.key, oldest_s)
        late_ms = _order(yard, headend, budget.pick(40, 150))
        sheet.put(MEDIAN.key, late_ms[len(late_ms) // 2])
        sheet.put(SLOWEST.key, late_ms[int(len(late_ms) * 0.99)])


def _measure_peer(workshop: Workshop, budget: Budget, plan: dict[str, Any], sheet: Sheet) -> None:
    if not plan:
        raise Failed("the agent's requests are not known: its round failed")
    with _open_yard(workshop, budget) as yard:
        command = (
            *(sys.executable, HERE / "peer_pymodbus.py", "--plan", json.dumps(plan)),
            *("--ports", ",".join(map(str, yard.ports))),
        )
        with running(
            "pymodbus", command, cores=workshop.cores.server, logs=workshop.logs
        ) as poller:
            time.sleep(3 * PERIOD_S)
            with _counted(yard, poller, budget, sheet) as until_s:
                time.sleep(max(0.0, until_s - time.monotonic()))


@contextmanager
def _open_yard(workshop: Workshop, budget: Budget) -> Iterator[Yard]:
    command = (sys.executable, HERE / "device_servers.py", "--devices", DEVICES)
    with (
        workshop.scratch() as folder,
        running(
            "devices",
            command,
            cores=workshop.cores.generator,
            logs=workshop.logs,
            environment={"PYTHONPATH": str(ROOT)},
        ) as devices,
    ):
        ports = devices.hear(budget.timeout_s(START_S))["ports"]
        assets = folder / "assets.yaml"
        lines = ["sites:", f"- {{id: {SITE_ID}, name: bench}}", "assets:"]
        lines += [
            f"- {{id: {asset_id(number)}, name: battery-{number}, site: bench, kind: battery, "
            f"rated_mw: {RATED_MW}, energy_mwh: 4.0, "
            f"device: {{driver: sunspec, host: '127.0.0.1:{port}'}}}}"
            for number, port in enumerate(ports)
        ]
        assets.write_text("\n".join(lines) + "\n")
        yield Yard(devices, ports, assets, folder / "agent")


@contextmanager
def _agent(workshop: Workshop, yard: Yard, headend: Server) -> Iterator[Child]:
    command = (
        *(sys.executable, "-m", "deragent", "run", "--assets", yard.assets),
        *(word for number in range(DEVICES) for word in ("--asset", asset_id(number))),
        *("--agent-id", "bench", "--headend", f"127.0.0.1:{headend.port}"),
        *("--data", yard.data, "--log-level", "error"),
    )
    with running("deragent", command, cores=workshop.cores.server, logs=workshop.logs) as agent:
        yield agent


@contextmanager
def _counted(yard: Yard, reader: Child, budget: Budget, sheet: Sheet) -> Iterator[float]:
    """Counts while the block runs, which should be until the time given."""
    yard.devices.ask("begin", START_S)
    began_s, cpu_s = time.monotonic(), reader.cpu_s()
    yield began_s + budget.pick(6.0, 30.0)
    used_s, lasted_s = reader.cpu_s() - cpu_s, time.monotonic() - began_s
    counted = yard.devices.ask("end", START_S)
    note = f"{counted['requests'] / lasted_s:.0f} requests/s, {used_s / lasted_s:.0%} of a core"
    sheet.put(CPU.key, 1e3 * used_s / (DEVICES * lasted_s / PERIOD_S), note)
    sheet.put(LONGEST.key, counted["longest_s"])


def _plan_of(yard: Yard) -> dict[str, Any]:
    """What the agent asks of a device within a second or two, without renewals of a command."""
    for _ in range(3):
        yard.devices.ask("begin", START_S)
        time.sleep(2 * PERIOD_S)
        plan = yard.devices.ask("plan", START_S)
        if len(plan["writes"]) <= 1:
            return plan
        time.sleep(RENEWAL_S / 4)
    raise Failed("the agent writes more than a heartbeat, and does not stop")


def _wait_fresh(headend: Server, budget: Budget) -> None:
    deadline_s = time.monotonic() + budget.timeout_s(START_S)
    while time.monotonic() < deadline_s:
        found = [shown["age_s"] for shown in _telemetry(headend)]
        if len(found) == DEVICES and all(age is not None and age < 3 for age in found):
            return
        time.sleep(LOOK_S)
    raise Failed(f"not all of {DEVICES} devices are read")


def _telemetry(headend: Server) -> list[dict[str, Any]]:
    assert headend.http_port is not None
    return get_items(headend.http_port, "/telemetry", timeout_s=START_S)


def _oldest_s(headend: Server) -> float:
    return max(float(shown["age_s"]) for shown in _telemetry(headend))


def _order(yard: Yard, headend: Server, count: int) -> list[float]:
    """The time of each order from POST to its device's register, milliseconds, sorted."""
    yard.devices.ask("begin", START_S)
    assert headend.http_port is not None
    caller = http.client.HTTPConnection("127.0.0.1", headend.http_port, timeout=START_S)
    posted_s = {}
    due_s = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, due_s - time.monotonic()))
        due_s += 1 / ORDERS_A_SECOND
        device, steps = number % DEVICES, number + 1
        order = {
            "asset_id": asset_id(device),
            "mw": steps * STEP_W / 1e6,
            "duration_s": 60,
        }
        posted_s[device, steps] = time.monotonic()
        caller.request("POST", "/dispatch", json.dumps(order), {"Content-Type": "application/json"})
        answer = caller.getresponse()
        said = answer.read()
        if answer.status != 201:
            raise Failed(f"POST /dispatch: {answer.status} {said[:200]!r}")
    caller.close()
    time.sleep(2.0)
    found: dict[tuple[int, int], float] = {}
    for device, at_s, told_w in yard.devices.ask("orders", START_S)["orders"]:
        found.setdefault((device, round(told_w / STEP_W)), at_s)
    lost = [key for key in posted_s if key not in found]
    if lost:
        raise Failed(f"{len(lost)} of {count} orders did not reach their devices in 2 s")
    return sorted(1e3 * (found[key] - at_s) for key, at_s in posted_s.items())
