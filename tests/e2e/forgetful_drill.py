"""``derlaunch`` in whose drills the first agent does not know its failsafe.

The agent reads a file of its own, in which ``failsafe.after_s`` is 0. The drill must notice.
"""

import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.fleet import Failsafe, Fleet
from launcher.cli import main
from launcher.drilling import drill
from launcher.fleets.agent_jobs import AgentJob
from launcher.running import FleetRun, agent_command

FORGETFUL = "agent-01"


def forgetful_command(fleet_run: FleetRun, job: AgentJob, form: str) -> list[str]:
    if job.agent_id == FORGETFUL:
        fleet_run = replace(fleet_run, assets=without_failsafe(fleet_run.assets))
    return agent_command(fleet_run, job, form)


def without_failsafe(path: Path) -> Path:
    fleet = load_fleet(path)
    assets = {each.id: replace(each, failsafe=Failsafe(0.0)) for each in fleet.assets.values()}
    changed = path.with_name("forgetful.yaml")
    changed.write_text(render_fleet(Fleet(fleet.sites, MappingProxyType(assets))))
    return changed


if __name__ == "__main__":
    vars(drill)["agent_command"] = forgetful_command
    sys.exit(main())
