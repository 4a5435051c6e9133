"""The whole path to a SunSpec device: REST, headend, agent, Modbus, registers, and back."""

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from deragent.devices import check_device
from derproto.configuration.assets_file import load_fleet
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import Process, World, free_port, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

SETTINGS = {"telemetry_period_s": 0.5}
REVERSION_S = 6


def fleet_at(port: int) -> dict[str, Any]:
    """The fleet with its battery behind that port."""
    made = fleet()
    for asset in made["assets"]:
        if asset["id"] == BATTERY:
            asset["device"] = {
                "driver": "sunspec",
                "host": f"127.0.0.1:{port}",
                "serial": "0042",
                "reversion_s": REVERSION_S,
            }
    return made


@contextmanager
def battery_of(server: str, tmp_path: Path) -> Iterator[tuple[World, Process, int]]:
    """A headend, an agent, and a battery behind that server."""
    port = free_port()
    with running(tmp_path / "world", fleet_at(port), SETTINGS) as world:
        battery = Process(world.folder / "battery.log", f"tests.support.modbus.{server}", port)
        world.processes.append(battery)
        world.start_headend()
        agent = world.start_agent(BATTERY)
        world.wait_online(BATTERY)
        eventually("its nameplate", lambda: "serial=0042" in agent.text())
        yield world, agent, port


def controls(port: int) -> dict[str, Any]:
    """Model 704 as pysunspec2's own client reads it."""
    client = SunSpecModbusClientDeviceTCP(1, "127.0.0.1", port, timeout=5.0)
    client.scan()
    try:
        points = client.models[704][0].points
        return {name: points[name].cvalue for name in ("WSetEna", "WSetMod", "WSet", "WSetRvrtTms")}
    finally:
        client.disconnect()


def test_orders_reach_the_registers_of_pymodbuss_server(tmp_path: Path) -> None:
    with battery_of("pymodbus_server", tmp_path) as (world, _agent, port):
        dispatch = world.order(BATTERY, -1.5, duration_s=600)
        started = world.wait_state(dispatch["id"], "started")
        assert started["applied_mw"] == -1.5
        expected = {"WSetEna": 1, "WSetMod": 1, "WSet": -1_500_000, "WSetRvrtTms": REVERSION_S}
        assert controls(port) == expected
        newest = world.get(f"/telemetry/{BATTERY}")
        assert (newest["soc"], newest["frequency_hz"], newest["status"]) == (0.61, 50.0, "running")
        world.ask("DELETE", f"/dispatch/{dispatch['id']}")
        world.wait_state(dispatch["id"], "cancelled")
        # Its default, 0 MW, is a setpoint, too.
        eventually("its default", lambda: controls(port)["WSet"] == 0)


def wait_power(world: World, p_mw: float) -> None:
    def near() -> bool:
        shown = world.get(f"/telemetry/{BATTERY}")["p_mw"]
        return shown is not None and math.isclose(shown, p_mw, abs_tol=1e-9)

    eventually(f"{p_mw} MW", near)


def test_an_order_is_achieved_and_a_killed_agent_leaves_no_power_behind(tmp_path: Path) -> None:
    with battery_of("unit_server", tmp_path) as (world, agent, port):
        first = world.order(BATTERY, 1.25, duration_s=3)
        world.wait_state(first["id"], "completed")
        eventually(
            "the verdict",
            lambda: world.get(f"/dispatch/{first['id']}")["verdict"]["outcome"] == "achieved",
        )
        second = world.order(BATTERY, -1.0, duration_s=600)
        world.wait_state(second["id"], "started")
        wait_power(world, -1.0)
        assert controls(port)["WSetEna"] == 1
        agent.kill()
        eventually("it reverts", lambda: controls(port)["WSetEna"] == 0)


def test_a_probe_prints_an_assets_file_that_fits(tmp_path: Path) -> None:
    port = free_port()
    battery = Process(tmp_path / "battery.log", "tests.support.modbus.unit_server", port)
    command = [sys.executable, "-m", "deragent", "probe", f"127.0.0.1:{port}"]

    def answers() -> bool:
        return (
            subprocess.run([*command, "--json"], check=False, capture_output=True).returncode == 0
        )

    try:
        eventually("the battery answers", answers)
        told = subprocess.run(command, check=True, capture_output=True, text=True)
    finally:
        battery.close()
    assert f"Acme B-2, serial 0042, at 127.0.0.1:{port}, unit 1" in told.stdout
    assert "control: WSet of model 704, -2 to 2 MW, with a reversion timer" in told.stdout
    path = tmp_path / "assets.yaml"
    path.write_text(told.stdout[told.stdout.index("# Correct") :])
    (asset,) = load_fleet(path).assets.values()
    assert check_device(asset) == ()
    assert (asset.kind, asset.rated_mw, asset.device.options["serial"]) == ("battery", 2, "0042")
    # Now nobody is there.
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stderr.startswith(f"deragent: 127.0.0.1:{port} is not reached: ")
