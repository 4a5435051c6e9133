"""The example of a driver: installed, found, checked, conforming, and steered by a real agent."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import Process, World, free_port, running
from tests.support.repository import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

SOURCE = ROOT / "examples/line_battery"
SETTINGS = {"telemetry_period_s": 0.5}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which pip has installed the package, and nothing else."""
    folder = tmp_path_factory.mktemp("line_battery")
    # The build leaves files beside the source.
    shutil.copytree(SOURCE, folder / "source")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--no-index", "--no-compile"),
            *("--target", folder / "site", folder / "source"),
        ],
        check=True,
    )
    return folder / "site"


def run(*arguments: object, path: Path | None) -> subprocess.CompletedProcess[str]:
    """Runs a module with the packages of that folder, if any."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        env=os.environ if path is None else {**os.environ, "PYTHONPATH": str(path)},
        cwd=None if path is None else path.parent / "source",
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_own_tests_pass(installed: Path) -> None:
    tested = run("pytest", "-q", "-p", "no:cacheprovider", path=installed)
    assert tested.returncode == 0, tested.stdout
    assert "1 passed" in tested.stdout


def fleet_with(device: dict[str, object]) -> dict[str, object]:
    """The fleet with that device for its battery."""
    made = fleet()
    for asset in made["assets"]:
        if asset["id"] == BATTERY:
            asset["device"] = device
    return made


def test_it_is_found_once_it_is_installed(installed: Path, tmp_path: Path) -> None:
    device = {"driver": "line_battery", "host": "127.0.0.1", "answer_s": 0}
    with running(tmp_path / "world", fleet_with(device)) as world:
        asked = ("deragent", "check", "--assets", world.assets, "--asset", BATTERY)
        ask = (*asked, "--headend", world.headend_address)
        without = run(*ask, path=None)
        assert without.returncode == 2
        assert "device.driver: there is no driver 'line_battery'; there are: " in without.stderr
        wrong = run(*ask, path=installed)
        assert wrong.returncode == 2
        assert [line.partition(".device.")[2] for line in wrong.stderr.splitlines()] == [
            "host: '127.0.0.1' has no port; write host:port, such as 127.0.0.1:8080 or [::1]:8080",
            "answer_s: 0 is out of range; write a number above 0 and up to 60, in s",
        ]
        # A headend needs no driver.
        headend = run("derhead", "check", "--assets", world.assets, path=None)
        assert headend.returncode == 0, headend.stderr
    listed = run("deragent", "drivers", path=installed)
    assert "line_battery (line-battery 1.0): a battery that speaks lines over TCP" in listed.stdout


def wait_power(world: World, p_mw: float) -> None:
    eventually(f"{p_mw} MW", lambda: world.get(f"/telemetry/{BATTERY}")["p_mw"] == p_mw)


def test_a_real_agent_measures_and_steers_it(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    device: dict[str, object] = {"driver": "line_battery", "host": f"127.0.0.1:{port}"}
    with running(tmp_path / "world", fleet_with(device), SETTINGS) as world:
        world.start_headend()
        monkeypatch.setenv("PYTHONPATH", str(installed))
        # The agent starts while its device is still away.
        agent = world.start_agent(BATTERY)
        world.wait_online(BATTERY)
        eventually("device away", lambda: "device_unreachable" in agent.text())
        battery = Process(
            world.folder / "battery.log", "examples.line_battery.imaginary_battery", port
        )
        world.processes.append(battery)
        wait_power(world, 0.0)
        eventually("its nameplate", lambda: "serial=0042" in agent.text())
        dispatch = world.order(BATTERY, -1.5, duration_s=600)
        world.wait_state(dispatch["id"], "started")
        wait_power(world, -1.5)
