"""The composition root of ``derlaunch run --chaos``:

run_drill
├ keep_screen       ends last: it shows how the processes ended
├ stop_on_signal
└ Drill.play        the drill
"""

import json
import sys
from pathlib import Path

import trio

from derproto.base.runtime import real_runtime
from derproto.base.timefmt import format_us
from derproto.configuration.fleet import Fleet
from derproto.stdio.command import EXIT_FAILED, leaves, put_out
from derproto.stdio.terminal import rendered
from launcher.drilling.drill import Drill, DrillFailed, DrillRequest
from launcher.drilling.drill_files import check_devices
from launcher.drilling.drill_report import report
from launcher.drills.drill_plan import DrillPlan
from launcher.drills.timetable import draw_timetable
from launcher.fleets.agent_jobs import plan_agents
from launcher.fleets.drill_fleet import drill_fleet
from launcher.judgement.drill_verdict import DrillVerdict
from launcher.running import allow_many_files, open_stage, stop_on_signal
from launcher.supervision.guard_watch import GuardLost


def make_request(
    plan: DrillPlan,
    fleet: Fleet | None,
    *,
    data: Path,
    seed: int,
    drill_s: float,
    log_format: str | None = None,
    log_level: str | None = None,
    verdict_file: Path | None = None,
) -> DrillRequest:
    """The drill of a plan with that fleet, or else with one that the plan describes.

    Its folder is a new one in ``data``. Raises: ConfigError, if plan and fleet do not fit.
    """
    now_us = real_runtime().wall_us()
    if fleet is None:
        noon_utc_h = now_us / 3.6e9 % 24
        fleet = drill_fleet(plan.sites, seed, plan.failsafe_after_s, noon_utc_h)
    check_devices(fleet)
    timetable = draw_timetable(plan, seed, drill_s, fleet, plan_agents(fleet))
    started = format_us(now_us).translate(str.maketrans("", "", "-:.Z"))
    folder = data / f"{plan.name}-{started}"
    return DrillRequest(
        *(plan, fleet, timetable, seed, drill_s, folder, log_format, log_level, verdict_file)
    )


def run_drill(request: DrillRequest) -> int:
    """Holds the drill and prints its verdict; returns the exit code: 0 = all promises kept."""
    allow_many_files()
    code = EXIT_FAILED
    try:
        code = trio.run(_run, request)
    except* (GuardLost, DrillFailed, OSError) as group:
        for error in leaves(group):
            print(f"derlaunch: {error}; the drill has ended without a verdict", file=sys.stderr)
    return code


async def _run(request: DrillRequest) -> int:
    runtime = real_runtime()
    jobs = plan_agents(request.fleet)
    stage = open_stage(request.fleet, jobs, request.log_format, request.log_level, runtime)
    drill = Drill(request, jobs, stage, runtime)
    verdict: DrillVerdict | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.screen.keep_screen)
        async with trio.open_nursery() as running:
            running.start_soon(stop_on_signal, running.cancel_scope.cancel, stage.tell)
            verdict = await drill.play()
            running.cancel_scope.cancel()
        stage.screen.finish()
    if verdict is None:
        raise DrillFailed("stopped before its end")
    text = json.dumps(verdict.to_json(), indent=1) + "\n"
    for path in (drill.files.verdict, request.verdict_file):
        if path is not None:
            path.write_text(text, encoding="utf-8")
    put_out(rendered(sys.stdout, *report(verdict)) + "\n")
    return 0 if verdict.kept else EXIT_FAILED
