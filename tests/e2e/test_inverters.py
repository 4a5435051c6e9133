"""``derlaunch run --modbus``: REST, headend, agent, SunSpec's registers and simulated device."""

import re
from pathlib import Path

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("how", ["processes", "in-process"])
def test_an_order_is_achieved_through_the_registers(how: str, tmp_path: Path) -> None:
    with running(tmp_path / "world", fleet(), {"telemetry_period_s": 0.5}) as world:
        world.start_headend()
        launcher = world.start_module(
            *("fleet", "launcher", "run", "--modbus", "--assets", world.assets),
            *("--headend", world.headend_address, "--data", world.folder / "derlaunch"),
            *(["--in-process"] if how == "in-process" else []),
        )
        world.wait_online(BATTERY)
        order = world.order(BATTERY, 1.25, duration_s=4)
        world.wait_state(order["id"], "started")
        served = re.search(rf"asset={BATTERY} address=127\.0\.0\.1:(\d+)", launcher.text())
        assert served is not None, launcher.text()
        # What others wrote reads the same.
        client = SunSpecModbusClientDeviceTCP(1, "127.0.0.1", int(served[1]), timeout=5.0)
        client.scan()
        control = client.models[704][0].points
        assert (control["WSetEna"].cvalue, control["WSet"].cvalue) == (1, 1_250_000)
        assert client.models[1][0].points["SN"].cvalue == BATTERY.replace("-", "")
        client.disconnect()
        world.wait_state(order["id"], "completed")
        eventually(
            "the verdict",
            lambda: world.get(f"/dispatch/{order['id']}")["verdict"]["outcome"] == "achieved",
        )
        assert launcher.stop() == 0
