"""SIGHUP reloads and ends nothing; a terminal that closes ends a daemon in order."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import Process, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def has_heard(daemon: Process, count: int) -> bool:
    """Whether the daemon has logged so many signals."""
    return daemon.text().count("SIGHUP") >= count


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
        eventually("serves", lambda: "REST on" in log.read_text())
        os.close(ours)
        process.wait(60)
        eventually("gone", lambda: not Path(f"/proc/{daemon}/cmdline").exists())
        assert "SIGHUP: the terminal is gone" in log.read_text()
        assert "SIGTERM: stopping" in log.read_text()
