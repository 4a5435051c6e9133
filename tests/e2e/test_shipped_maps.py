"""The register maps that ship, each against pymodbus's server with the registers of its device.

Registers are placed by the numbers in the vendors' tables, and values are computed by hand.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleets import BATTERY, fleet
from tests.support.modbus.register_unit import words_of, words_of_text
from tests.support.processes.world import Process, free_port, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def table(*parts: tuple[int, list[int]]) -> dict[str, int]:
    """Words by address."""
    return {str(first + n): word for first, words in parts for n, word in enumerate(words)}


def floats(**values: float) -> dict[str, int]:
    """Eastron's input registers: a float each two, from 30001. Those without a value are zero."""
    known = [(int(name[1:]) - 30001, words_of("f", value)) for name, value in values.items()]
    return table((0, [0] * 80), *known)


def longs(values: dict[int, float]) -> list[tuple[int, list[int]]]:
    """Carlo Gavazzi's 32 bits, least significant word first."""
    return [(at, words_of("i", value, little=True)) for at, value in values.items()]


EASTRON: dict[str, Any] = {
    "holding": {},
    "input": floats(
        _30001=230.5,
        _30003=231.5,
        _30005=229.5,
        _30007=10.5,
        _30009=11.5,
        _30011=12.5,
        _30053=-7200.0,
        _30061=400.0,
        _30071=50.125,
        _30073=1234.5,
        _30075=67.25,
    ),
}
GAVAZZI: dict[str, Any] = {
    "holding": table(
        (0x000B, [1651]),
        (0x0033, [499]),
        (0x5000, words_of_text("BX12345678901", 7)),
        *longs({0x00: 2301, 0x02: 2302, 0x04: 2303, 0x0C: 10500, 0x0E: 11500, 0x10: -12500}),
        *longs({0x28: 72000, 0x34: 12345, 0x4E: 6789}),
    ),
    "input": {},
}
VICTRON: dict[str, Any] = {
    "holding": table(
        (3, [2305]),
        (9, [5002]),
        (12, [150]),
        (23, [-30 & 0xFFFF]),
        (26, [5210, -385 & 0xFFFF, 1]),
        (30, [615, 9]),
        (34, [0, 1, 0, 0, 1, 1]),
    ),
    "input": {},
}
STEERED = {**VICTRON, "follow": [12, 37, 10]}


@contextmanager
def served(folder: Path, unit: int, image: dict[str, Any]) -> Iterator[int]:
    """The port of a server with those registers."""
    port = free_port()
    log = folder / "image.log"
    server = Process(log, "tests.support.modbus.image_server", port, unit, json.dumps(image))
    try:
        yield port
    finally:
        server.close()


def probed(map_name: str, folder: Path, unit: int, image: dict[str, Any]) -> dict[str, Any]:
    """What ``deragent probe`` says of it."""
    told: list[str] = []

    def answers() -> bool:
        command = [sys.executable, "-m", "deragent", "probe", f"127.0.0.1:{port}", "--json"]
        command += ["--unit", str(unit), "--map", map_name]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        told[:] = [done.stdout]
        return done.returncode == 0

    with served(folder, unit, image) as port:
        eventually("the device answers", answers)
    said: dict[str, Any] = json.loads(told[0])
    said["raw"] = {point["point"]: point["raw"] for point in said["points"]}
    return said


def shown_of(said: dict[str, Any]) -> dict[str, Any]:
    """Raw values of the points that are only shown."""
    return {name: raw for name, raw in said["raw"].items() if name.startswith("shows.")}


def test_eastrons_meter_is_read_by_its_manual(tmp_path: Path) -> None:
    said = probed("eastron_sdm630", tmp_path, 1, EASTRON)
    reading = said["reading"]
    # It exports 7.2 kW, and takes 0.4 kvar.
    assert reading["p_mw"] == pytest.approx(0.0072)
    assert reading["q_mvar"] == pytest.approx(-0.0004)
    assert (reading["voltage_v"], reading["frequency_hz"]) == (230.5, 50.125)
    assert shown_of(said) == {
        "shows.phase 2 voltage": 231.5,
        "shows.phase 3 voltage": 229.5,
        "shows.phase 1 current": 10.5,
        "shows.phase 2 current": 11.5,
        "shows.phase 3 current": 12.5,
        "shows.imported energy": 1234.5,
        "shows.exported energy": 67.25,
    }


def test_carlo_gavazzis_meter_is_read_by_its_protocol(tmp_path: Path) -> None:
    said = probed("carlo_gavazzi_em24", tmp_path, 1, GAVAZZI)
    assert said["identity"] is None
    assert said["nameplate"]["serial"] == "BX12345678901"
    reading = said["reading"]
    # It imports 7.2 kW.
    assert reading["p_mw"] == pytest.approx(-0.0072)
    assert reading["voltage_v"] == pytest.approx(230.1)
    assert reading["frequency_hz"] == pytest.approx(49.9)
    assert shown_of(said) == {
        "shows.phase 2 voltage": 2302,
        "shows.phase 3 voltage": 2303,
        "shows.phase 1 current": 10500,
        "shows.phase 2 current": 11500,
        "shows.phase 3 current": -12500,
        "shows.imported energy": 12345,
        "shows.exported energy": 6789,
    }


def test_another_meter_of_carlo_gavazzi_is_told(tmp_path: Path) -> None:
    other = {**GAVAZZI, "holding": {**GAVAZZI["holding"], str(0x000B): 345}}
    said = probed("carlo_gavazzi_em24", tmp_path, 1, other)
    assert "345" in said["identity"]


def test_victrons_inverter_is_read_by_its_list(tmp_path: Path) -> None:
    said = probed("victron_multi", tmp_path, 227, VICTRON)
    reading = said["reading"]
    # 1.5 kW come from the grid.
    assert reading["p_mw"] == pytest.approx(-0.0015)
    assert reading["voltage_v"] == pytest.approx(230.5)
    assert reading["frequency_hz"] == pytest.approx(50.02)
    assert reading["soc"] == pytest.approx(0.615)
    assert (reading["status"], reading["fault"]) == ("running", "low battery (warning)")
    assert said["raw"]["shows.battery voltage"] == 5210
    assert said["raw"]["shows.battery current"] == -385
    assert said["raw"]["shows.output power"] == -30


def test_an_order_reaches_victrons_registers_and_is_achieved(tmp_path: Path) -> None:
    made = fleet()
    with served(tmp_path, 227, STEERED) as port:
        for asset in made["assets"]:
            if asset["id"] == BATTERY:
                asset["rated_mw"], asset["limits"] = 0.005, {"min_mw": -0.005, "max_mw": 0.005}
                asset["device"] = {
                    "driver": "modbus",
                    "host": f"127.0.0.1:{port}",
                    "unit": 227,
                    "map": "victron_multi",
                }
        settings = {"telemetry_period_s": 0.5}
        with running(tmp_path / "world", made, settings) as world:
            world.start_headend()
            world.start_agent(BATTERY)
            world.wait_online(BATTERY)
            # Its default is a setpoint, too: what was drawn before the agent came is gone.
            eventually("0 MW", lambda: world.get(f"/telemetry/{BATTERY}")["p_mw"] == 0)
            order = world.order(BATTERY, 0.002, duration_s=3)
            started = world.wait_state(order["id"], "started")
            assert started["applied_mw"] == 0.002
            eventually("2 kW", lambda: world.get(f"/telemetry/{BATTERY}")["p_mw"] == 0.002)
            world.wait_state(order["id"], "completed")
            eventually(
                "the verdict",
                lambda: world.get(f"/dispatch/{order['id']}")["verdict"]["outcome"] == "achieved",
            )
            eventually("0 MW again", lambda: world.get(f"/telemetry/{BATTERY}")["p_mw"] == 0)
