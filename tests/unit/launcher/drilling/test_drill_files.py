"""What a drill starts from: its fleet, its request, its port."""

import random
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.fleet import DeviceSpec, FailsafeAction, Fleet
from derproto.configuration.problems import ConfigError
from launcher.drilling.drill_files import HOST, check_devices
from launcher.drilling.drill_run import make_request
from launcher.drilling.headend_keeping import PORTS, free_port
from launcher.drills.plan_file import find_plan, load_plan
from launcher.fleets.agent_jobs import plan_agents
from launcher.fleets.drill_fleet import drill_fleet, recording
from launcher.fleets.generated_fleet import generate


def test_a_drills_fleet_reads_back_with_its_records(tmp_path: Path) -> None:
    fleet = recording(drill_fleet(3, 7, 20.0, 13.25), tmp_path / "devices.pipe")
    path = tmp_path / "assets.yaml"
    path.write_text(render_fleet(fleet), encoding="utf-8")
    assert load_fleet(path) == fleet
    assert {a.device.options["record"] for a in fleet.assets.values()} == {
        str(tmp_path / "devices.pipe")
    }


def test_each_site_of_a_drill_has_an_agent_and_three_assets_that_can_generate() -> None:
    fleet = drill_fleet(3, 7, 20.0, 13.25)
    jobs = plan_agents(fleet)
    assert [job.agent_id for job in jobs] == ["agent-01", "agent-02", "agent-03"]
    assert all(len(job.asset_ids) == 3 for job in jobs)
    assets = fleet.assets.values()
    assert all(asset.limits.max_mw == asset.rated_mw for asset in assets)
    assert {asset.failsafe.action for asset in assets} == set(FailsafeAction)
    assert {asset.failsafe.after_s for asset in assets} == {20.0}
    assert drill_fleet(3, 8, 20.0, 13.25).assets.keys().isdisjoint(fleet.assets)


def test_a_drill_of_a_plan_has_a_folder_of_its_own_and_its_faults_drawn(tmp_path: Path) -> None:
    plan = load_plan(find_plan("rough-day"))
    request = make_request(plan, None, data=tmp_path, seed=7, drill_s=60.0)
    assert request.folder.parent == tmp_path
    assert request.folder.name.startswith("rough-day-2")
    assert not request.folder.exists()
    assert len(request.fleet.sites) == plan.sites
    assert len(request.timetable) >= 9
    fleet = generate(4)
    assert make_request(plan, fleet, data=tmp_path, seed=7, drill_s=60.0).fleet is fleet


def test_a_fleet_whose_devices_keep_no_record_is_refused() -> None:
    check_devices(generate(3))
    (asset,) = generate(1).assets.values()
    strange = replace(asset, device=DeviceSpec("modbus"))
    with pytest.raises(ConfigError, match="--assets: driver modbus keeps no record; write simul"):
        check_devices(Fleet({}, {asset.id: strange}))


def test_a_headends_port_is_none_that_a_connection_may_take() -> None:
    first = free_port(random.Random(1))
    assert first in PORTS
    # Where Linux begins to take ports for outgoing connections, unless it is told otherwise.
    assert max(PORTS) < 32_768
    with socket.socket() as taken:
        taken.bind((HOST, first))
        assert free_port(random.Random(1)) != first
