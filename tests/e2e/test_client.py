"""The commands that ask a headend as processes, against a real one."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleets import BATTERY, LOAD, fleet
from tests.support.processes.world import World, free_port, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


class Command:
    """A running ``derhead`` command, its output in files."""

    def __init__(self, world: World, *arguments: object, stdin: int = subprocess.DEVNULL) -> None:
        number = len(list(world.folder.glob("command-*.out")))
        self.out, self.err = (world.folder / f"command-{number}.{end}" for end in ("out", "err"))
        words = [sys.executable, "-m", "derhead", *map(str, arguments)]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                words,
                stdin=stdin,
                stdout=out,
                stderr=err,
                env={**os.environ, "DERHEAD_URL": world.base},
            )

    def wait(self) -> int:
        return self.process.wait(30)

    def lines(self) -> list[str]:
        return self.out.read_text().splitlines()

    def records(self) -> list[Any]:
        """Lines of JSON; one that is being written is left."""
        text, _, _rest = self.out.read_text().rpartition("\n")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A headend with a battery's agent; the load's is away."""
    folder: Path = tmp_path_factory.mktemp("client") / "world"
    with running(folder, fleet(), {"telemetry_period_s": 0.5}) as made:
        made.start_headend()
        made.start_agent(BATTERY)
        made.wait_online(BATTERY)
        eventually("it speaks", lambda: made.get("/telemetry/battery")["ts"])
        yield made


def test_status(world: World) -> None:
    command = Command(world, "status")
    assert command.wait() == 0
    ready = world.get("/readyz")["status"]
    assert command.lines()[0].startswith(f"{world.base} is {ready}")
    assert any(line.startswith("mesa") for line in command.lines())
    shown = Command(world, "status", "--json")
    assert shown.wait() == 0
    (found,) = shown.records()
    assert found["ready"]["status"] == ready
    assert [site["name"] for site in found["sites"]] == ["mesa"]
    away = {each["asset_name"]: (each["state"], each["since"]) for each in found["away"]}
    assert away["load"] == ("offline", None)
    assert any(
        line.split() == ["load", "mesa", "offline", "never", "-"] for line in command.lines()
    )


def test_agents(world: World) -> None:
    command = Command(world, "agents")
    assert command.wait() == 0
    heading, line = command.lines()
    assert heading.startswith("AGENT ")
    assert line.endswith(" battery")
    shown = Command(world, "agents", "--json")
    assert shown.wait() == 0
    assert [agent["asset_ids"] for agent in shown.records()] == [[BATTERY]]


def test_a_withdrawal_is_in_the_audit_trail_with_its_order(world: World) -> None:
    ordered = Command(world, "dispatch", "load", -0.25, "--for", "1h", "--json")
    assert ordered.wait() == 0
    dispatch_id = ordered.records()[0]["id"]
    withdrawn = Command(world, "withdraw", dispatch_id)
    assert withdrawn.wait() == 0
    (line,) = withdrawn.lines()
    assert "cancelled" in line
    assert "withdrawn by 127.0.0.1" in line
    again = Command(world, "withdraw", dispatch_id)
    assert again.wait() == 1
    assert "the dispatch has ended: it is cancelled" in again.err.read_text()
    trail = Command(world, "audit", "--target", dispatch_id, "--csv")
    assert trail.wait() == 0
    rows = list(csv.DictReader(trail.lines()))
    assert [row["action"] for row in rows] == ["withdrawal_refused", "withdrawal", "order"]
    shown = Command(world, "audit", "--action", "order", "--caller", "127.0.0.1", "--limit", 1)
    assert shown.wait() == 0
    (_, line) = shown.lines()
    assert line.endswith(f"{dispatch_id}  -0.250 MW")


def test_service_levels(world: World) -> None:
    shown = Command(world, "slo")
    assert shown.wait() == 0
    assert shown.lines()[0].startswith("since 20")
    of = [line.split()[0] for line in shown.lines()[2:]]
    assert of[:3] == ["OF", "fleet", "site"]
    assert set(of[3:]) == {"asset"}
    worst = Command(world, "slo", "--by", "asset", "--limit", 1, "--json")
    assert worst.wait() == 0
    assert [each["by"] for each in worst.records()] == ["asset"]
    table = Command(world, "slo", "--csv", "--site", "mesa")
    assert table.wait() == 0
    rows = list(csv.DictReader(table.lines()))
    assert {row["by"] for row in rows} == {"asset"}
    assert "battery" in {row["name"] for row in rows}


def test_telemetry(world: World) -> None:
    command = Command(world, "telemetry", "battery")
    assert command.wait() == 0
    assert command.lines()[0].startswith("battery, ")
    shown = Command(world, "telemetry", BATTERY, "--json")
    assert shown.wait() == 0
    assert shown.records()[0]["asset_name"] == "battery"


def test_the_command_follows_telemetry_until_ctrl_c(world: World) -> None:
    command = Command(world, "telemetry", "battery", "--follow", "--json")
    eventually("three come", lambda: len(command.records()) >= 3)
    command.process.send_signal(signal.SIGINT)
    assert command.wait() == 130
    times = [record["ts"] for record in command.records()]
    assert times == sorted(set(times))
    assert command.err.read_text() == ""


def test_a_closed_pipe_ends_the_command(world: World) -> None:
    follow = f"{sys.executable} -m derhead telemetry battery --follow"
    shell = f"({follow}; echo $? >&2) | head -n 2"
    done = subprocess.run(
        ["bash", "-c", shell],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "DERHEAD_URL": world.base},
    )
    assert done.stdout.startswith("TIME ")
    assert done.stderr == "141\n"


def test_a_dry_run_orders_nothing(world: World) -> None:
    before = world.get("/dispatch/history")["items"]
    command = Command(world, "dispatch", "battery", -0.5, "--for", "1h", "--dry-run")
    assert command.wait() == 0
    assert command.lines()[0].startswith("battery is online and would hold -0.5 MW")
    assert Command(world, "dispatch", "battery", 99, "--dry-run").wait() == 1
    site = Command(world, "dispatch", "mesa", -0.5, "--site", "--for", "1h", "--dry-run")
    assert site.wait() == 0
    assert site.lines()[0].startswith("mesa would hold -0.5 MW with 1 of its")
    assert world.get("/dispatch/history")["items"] == before


def test_the_command_watches_a_dispatch_to_its_verdict(world: World) -> None:
    command = Command(world, "dispatch", "battery", 1, "--for", "3s", "--watch")
    assert command.wait() == 0
    assert command.lines()[-1].startswith("verdict: achieved")
    states = [line.split()[1] for line in command.lines()[1:-1]]
    assert states[-2:] == ["started", "completed"]


def test_the_command_watches_the_order_of_a_site_to_its_verdicts(world: World) -> None:
    command = Command(world, "dispatch", "--site", "mesa", 1, "--for", "3s", "--watch")
    assert command.wait() == 0
    ordered, *states, ended, verdict = command.lines()
    assert ": mesa at +1.000 MW from " in ordered
    assert states[-1].endswith("  1 completed")
    assert "completed: 1 of 1 started" in ended
    assert verdict.startswith("  battery: verdict: achieved")


def test_an_order_without_a_length_asks_at_the_terminal(world: World) -> None:
    ours, its = pty.openpty()
    try:
        command = Command(world, "dispatch", "load", -0.1, stdin=its)
        eventually("it asks", lambda: "For how long? " in command.err.read_text())
        os.write(ours, b"2m\n")
        assert command.wait() == 0
    finally:
        os.close(its)
        os.close(ours)
    dispatch_id = command.lines()[0].partition(":")[0]
    assert world.get(f"/dispatch/{dispatch_id}")["duration_s"] == 120


def test_an_order_without_a_length_is_refused_in_a_script(world: World) -> None:
    before = world.get("/dispatch/history")["items"]
    command = Command(world, "dispatch", "load", -0.1)
    assert command.wait() == 2
    assert "--for 15m" in command.err.read_text()
    assert world.get("/dispatch/history")["items"] == before


def test_a_withdrawn_dispatch_exits_with_1_also_over_a_restart(world: World) -> None:
    command = Command(world, "dispatch", "battery", -1, "--for", "ever", "--watch", "--json")
    eventually("it runs", lambda: "started" in _states(command))
    world.processes[0].stop()
    world.start_headend()
    world.wait_online(BATTERY)
    dispatch_id = command.records()[0]["id"]
    assert world.ask("DELETE", f"/dispatch/{dispatch_id}").status_code in (200, 202)
    assert command.wait() == 1
    assert _states(command)[-1] == "cancelled"
    assert "trying again" in command.err.read_text()


def test_ctrl_c_leaves_the_dispatch_running(world: World) -> None:
    command = Command(world, "dispatch", "load", -0.5, "--for", "1h", "--watch")
    # Its agent is away.
    eventually("it is ordered", lambda: len(command.lines()) >= 2)
    command.process.send_signal(signal.SIGINT)
    assert command.wait() == 130
    dispatch_id = command.lines()[0].partition(":")[0]
    assert f"dispatch {dispatch_id} goes on" in command.err.read_text()
    assert world.get(f"/dispatch/{dispatch_id}")["state"] == "pending"
    assert world.get(f"/dispatch/{dispatch_id}")["asset_id"] == LOAD


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("telemetry", "nobody"), "no asset has the id or name 'nobody'"),
        (("telemetry", "no/body"), "no asset is called 'no/body'"),
        (("withdraw", "nobody"), "no dispatch has the id 'nobody'"),
        (("audit", "--action", "ordr"), "/query/action: there is no action 'ordr'"),
        (("slo", "--site", "nowhere"), "no site has the id or name 'nowhere'"),
        (("audit", "--csv", "--limit", 0), "/query/limit: '0' is out of range"),
        (("dispatch", "battery", 99, "--for", "1m"), "/mw: 99 is beyond the limits of battery"),
        (("dispatch", "battery", 1, "--for", "1m", "--at", "noon"), "/start_at: "),
        (("dispatch", "mesa", 1, "--for", "1m"), "mesa is a site; add --site to order all of it"),
        (("dispatch", "mes", 1, "--for", "1m", "--site"), "no site has the id or name 'mes'"),
    ],
)
def test_a_refused_order_exits_with_1_and_its_reason(
    world: World, arguments: tuple[object, ...], words: str
) -> None:
    command = Command(world, *arguments)
    assert command.wait() == 1
    assert words in command.err.read_text()
    assert command.lines() == []


def test_an_absent_headend_exits_with_3(world: World) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    for arguments in (
        ["status"],
        ["telemetry", "b", "--follow"],
        ["dispatch", "b", "1", "--for", "1m"],
    ):
        command = Command(world, *arguments, "--headend", nobody)
        assert command.wait() == 3
        assert f"{nobody} cannot be reached" in command.err.read_text()


def _states(command: Command) -> list[str]:
    return [record["state"] for record in command.records()]
