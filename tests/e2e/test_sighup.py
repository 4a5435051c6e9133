"""SIGHUP reloads and ends nothing; a terminal that closes ends a daemon in order."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleets import ADDED, BATTERY, LOAD, SITE, SOLAR, battery, fleet, write_fleet
from tests.support.processes.world import FAST, Process, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

BETWEEN_S = 0.002
"""Signals without a pause nest their handlers in each other, until Python gives up."""


def has_heard(daemon: Process, count: int) -> bool:
    """Whether the daemon has logged so many signals."""
    return daemon.text().count("SIGHUP") >= count


def has_refused(daemon: Process) -> bool:
    """Whether the daemon has logged that a file of assets has faults."""
    return 'event="not reloaded" what=assets ' in daemon.text()


def test_an_order_in_force_survives_sighup_of_both_daemons(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), {"telemetry_period_s": 0.5}) as world:
        headend, agent = world.start_headend(), world.start_agent(BATTERY)
        world.wait_online(BATTERY)
        dispatch = world.order(BATTERY, 0.5)
        world.wait_state(dispatch["id"], "started")
        (before,) = world.get("/agents")["items"]
        for daemon in (headend, agent):
            for count in range(1, 4):
                daemon.send(signal.SIGHUP)
                eventually("heard", partial(has_heard, daemon, count))
        (after,) = world.get("/agents")["items"]
        assert after["session_id"] == before["session_id"]
        assert world.get(f"/dispatch/{dispatch['id']}")["state"] == "started"
        assert headend.alive
        assert agent.alive
        assert (agent.stop(), headend.stop()) == (0, 0)


def test_no_sighup_ends_a_daemon_between_its_first_line_and_its_last(tmp_path: Path) -> None:
    with running(tmp_path, fleet()) as world:
        for start, started in (
            (world.serve, "serves REST"),
            (partial(world.start_agent, BATTERY), "deragent starts"),
        ):
            daemon = start()
            eventually("holds SIGHUP", partial(holds_sighup, daemon))
            assert not daemon.text()
            while started not in daemon.text():
                daemon.send(signal.SIGHUP)
                time.sleep(BETWEEN_S)
                assert daemon.alive, daemon.text()
            # Those of the start are not forgotten.
            eventually("reloads", partial(has_heard, daemon, 1))
            daemon.send(signal.SIGTERM)
            while daemon.alive:
                with suppress(ProcessLookupError):
                    daemon.send(signal.SIGHUP)
                    time.sleep(BETWEEN_S)
            assert daemon.popen.returncode == 0, daemon.text()


def holds_sighup(daemon: Process) -> bool:
    """Whether the process has done its first act: SIGHUP is not fatal any more."""
    status = Path(f"/proc/{daemon.popen.pid}/status").read_text()
    masks = dict(line.split(":") for line in status.splitlines())
    bit = 1 << (signal.SIGHUP - 1)
    return any(int(masks[mask], 16) & bit for mask in ("SigIgn", "SigCgt"))


def test_both_daemons_take_over_assets_and_log_level(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, agent = world.start_headend(), world.start_agent_of_site("mesa")
        world.wait_online(BATTERY, SOLAR, LOAD)
        kept, gone = (world.order(asset_id, -0.5) for asset_id in (BATTERY, LOAD))
        for dispatch in (kept, gone):
            world.wait_state(dispatch["id"], "started")
        written = fleet()
        written["assets"][-1] = battery(ADDED, "added")
        write_fleet(tmp_path, written)
        # The headend sees the change by itself, the agent is told.
        ended = world.wait_state(gone["id"], "cancelled")
        assert ended["detail"] == "its asset was removed from assets.yaml"
        (told,) = world.get("/audit", target=gone["id"], action="cancellation")["items"]
        assert (told["site_id"], told["after"]["state"]) == (SITE, "cancelled")
        agent.send(signal.SIGHUP)
        world.wait_online(BATTERY, SOLAR, ADDED)
        assert {asset["id"] for asset in world.get("/assets")["items"]} == {BATTERY, SOLAR, ADDED}
        assert world.get(f"/dispatch/{kept['id']}")["state"] == "started"
        new = world.order(ADDED, 0.5)
        world.wait_state(new["id"], "started")

        (tmp_path / "assets.yaml").write_text("sites: [{id: x}]")
        (tmp_path / "derhead.yaml").write_text("{telemetry_period_s: 0.5, log_level: debug}")
        headend.send(signal.SIGHUP)
        agent.send(signal.SIGHUP)
        for daemon in (headend, agent):
            eventually("refused", partial(has_refused, daemon))
        (check,) = (c for c in world.get("/readyz")["checks"] if c["name"] == "reload")
        assert "assets.yaml:1: sites[0].id: 'x' is not a UUID" in check["detail"]
        assert world.get(f"/dispatch/{kept['id']}")["state"] == "started"

        def reloads() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = world.get("/audit", action="reload", target="assets")[
                "items"
            ]
            return found

        # An entry is stored shortly after its line in the log.
        eventually("both entries", lambda: len(reloads()) == 2)
        refused, taken = reloads()
        assert "assets.yaml:1: sites[0].id: 'x' is not a UUID" in refused["detail"]
        assert taken["detail"] == "reloaded: added added; removed load"
        assert (list(taken["before"]), list(taken["after"])) == ([LOAD], [ADDED])
        assert agent.stop() == 0
        eventually("more lines", lambda: "level=debug" in headend.text())
        assert headend.stop() == 0


def test_a_daemon_whose_terminal_closes_stops_in_order(tmp_path: Path) -> None:
    with running(tmp_path, fleet()) as world:
        ours, theirs = os.openpty()
        # The shell of a terminal window: it leads a session, and the window closes.
        shell = (
            "import os, subprocess, sys\n"
            "os.open(sys.argv[1], os.O_RDWR)\n"
            "child = subprocess.Popen([sys.executable, *sys.argv[2:]])\n"
            "print(child.pid, flush=True)\n"
            "child.wait()\n"
        )
        serve = ["-m", "derhead", "serve", "--assets", world.assets, "--data", tmp_path / "data"]
        ports = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
        log = tmp_path / "terminal.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", shell, os.ttyname(theirs), *map(str, [*serve, *ports])],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        os.close(theirs)
        assert process.stdout is not None
        with process.stdout:
            daemon = int(process.stdout.readline())
        eventually("serves", lambda: "serves REST" in log.read_text())
        os.close(ours)
        process.wait(60)
        eventually("gone", lambda: not Path(f"/proc/{daemon}/cmdline").exists())
        assert 'event="terminal gone" signal=SIGHUP' in log.read_text()
        assert "event=stopping signal=SIGTERM" in log.read_text()
