"""``deragent commission``: the real driver at pymodbus's server, and keys on a real terminal."""

import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import Process, free_port
from tests.support.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.e2e


@contextmanager
def battery_at(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """The fleet's file, whose battery is an acting inverter behind pymodbus's server."""
    port = free_port()
    made = fleet()
    for asset in made["assets"]:
        if asset["id"] == BATTERY:
            asset["failsafe"] = {"after_s": 2}
            host = f"127.0.0.1:{port}"
            asset["device"] = {"driver": "sunspec", "host": host, "reversion_s": 6}
    path = tmp_path / "assets.yaml"
    path.write_text(yaml.safe_dump(made), encoding="utf-8")
    server = Process(tmp_path / "battery.log", "tests.support.modbus.acting_server", port)
    try:
        eventually("the battery answers", lambda: listens(port))
        yield path, port
    finally:
        server.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def setpoint_w(port: int) -> float:
    """What the inverter holds, as pysunspec2's own client reads it, W; 0 under its own control."""
    client = SunSpecModbusClientDeviceTCP(1, "127.0.0.1", port, timeout=5.0)
    client.scan()
    try:
        points = client.models[704][0].points
        return float(points["WSet"].cvalue) if points["WSetEna"].cvalue else 0.0
    finally:
        client.disconnect()


def test_an_inverter_is_tested_timed_and_left_at_its_default(tmp_path: Path) -> None:
    with battery_at(tmp_path) as (assets, port):
        found, page = tmp_path / "result.json", tmp_path / "result.html"
        flags = ["--assets", assets, "--yes", "--json", found, "--page", page]
        command = [sys.executable, "-m", "deragent", "commission", BATTERY, *map(str, flags)]
        told = subprocess.run(command, check=False, capture_output=True, text=True)
        assert told.returncode == 0, told.stdout + told.stderr
        assert setpoint_w(port) == 0
    result = json.loads(found.read_text())
    assert {check["outcome"] for check in result["checks"]} == {"passed"}
    figures = {check["check"]: check["figures"] for check in result["checks"]}
    # The server's lag is 0.5 s, its timer 6 s, the failsafe 2 s; the machine may be slow.
    assert result["response"]["time_constant_s"] > 0.3
    assert figures["reversion"]["reverted_after_s"] > 5
    assert figures["failsafe"]["acted_after_s"] > 1.9
    assert "response: {dead_time_s: " in told.stdout
    assert page.read_text().count("<svg") == 1 + len(result["steps"])


def test_a_signal_ends_it_with_the_inverter_at_its_default(tmp_path: Path) -> None:
    with battery_at(tmp_path) as (assets, port):
        found = tmp_path / "result.json"
        arguments = ("commission", BATTERY, "--assets", assets, "--yes", "--json", found)
        test = Process(tmp_path / "test.log", "deragent", *arguments)
        try:
            eventually("it steers", lambda: setpoint_w(port))
            test.send(signal.SIGTERM)
            assert test.popen.wait(PATIENCE_S) == 130
        finally:
            test.close()
        assert setpoint_w(port) == 0
    result = json.loads(found.read_text())
    assert (result["result"], result["interrupted"]) == ("interrupted", "SIGTERM")
    assert result["checks"][-1]["outcome"] == "passed"


def own_terminal(number: int) -> None:
    """Makes the terminal that of the new session."""
    os.setsid()
    fcntl.ioctl(number, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("key", [b"\x03", None], ids=["Ctrl-C", "terminal lost"])
def test_it_asks_and_any_key_ends_it(tmp_path: Path, key: bytes | None) -> None:
    assets = tmp_path / "assets.yaml"
    assets.write_text(yaml.safe_dump(fleet()), encoding="utf-8")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "deragent", "commission", BATTERY, "--assets", str(assets)]
    log = tmp_path / "test.log"
    with log.open("wb") as output:
        test = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: own_terminal(theirs),
        )
    try:
        eventually("the question", lambda: "Type yes to begin" in log.read_text())
        os.write(ours, b"yes\n")
        eventually("the first check", lambda: "check=nameplate" in log.read_text())
        assert not termios.tcgetattr(theirs)[3] & termios.ICANON
        # Ctrl-C is a key here. Who closes a terminal takes it from the test.
        os.write(ours, key) if key else os.close(ours)
        assert test.wait(PATIENCE_S) == 130
        assert key is None or termios.tcgetattr(theirs)[3] & termios.ICANON
    finally:
        test.kill()
        test.wait()
        os.close(theirs)
    text = log.read_text()
    assert "it was told nothing" in text or "it was told its default" in text
    assert "interrupted: " in text
    assert "Traceback" not in text
    if key:
        os.close(ours)
        assert "interrupted: a key was pressed" in text
