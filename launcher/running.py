"""The composition root of ``derlaunch run``:

run_fleet
├ keep_screen                     last to end: it shows how the agents ended
├ serve_inverters                 with --modbus: the simulated devices, until the agents ended
└ run_processes | run_in_process  the agents
  └ stop_on_signal
"""

import os
import random
import resource
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from deragent.devices import DeviceConfigError
from derproto import __version__
from derproto.base.runtime import Runtime, real_runtime
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import Address
from derproto.stdio.command import EXIT_FAILED, EXIT_PIPE, leaves
from derproto.triogrpc import dial
from launcher.display.fleet_stage import FleetStage, Tell
from launcher.fleets.agent_jobs import AgentJob, plan_agents
from launcher.inverters.inverter_fleet import LOOPBACK, serve_inverters, with_inverters
from launcher.supervision.fleet_events import FleetEvent
from launcher.supervision.guard_watch import GuardLost
from launcher.supervision.in_process import LoopSettings, run_in_process
from launcher.supervision.processes import ProcessSettings, run_processes

MODBUS_ASSETS = "modbus-assets.yaml"
"""The agents' file of the fleet under ``--modbus``, in the folder of ``--data``."""


@dataclass(frozen=True, slots=True)
class FleetRun:
    """The request to ``derlaunch run``."""

    assets: Path
    """The fleet's file."""
    fleet: Fleet
    headend: Address
    in_process: bool
    data: Path
    """Folder that holds a folder for each agent."""
    token_file: Path | None = None
    """File of the token that every agent shows; None = they show none."""
    log_format: str | None = None
    """One of ``LOG_FORMATS``; None = ``console`` on a terminal, else ``logfmt``."""
    log_level: str | None = None
    """One of ``LOG_LEVELS``; None = ``info``, and for the agents what their variables say."""
    modbus: bool = False
    """Whether simulated devices are served over Modbus, and agents reach them there."""


class NotServedError(Exception):
    """The simulated devices could not be served over Modbus."""


def run_fleet(fleet_run: FleetRun) -> int:
    """Runs the fleet's agents until SIGINT, SIGTERM or SIGHUP; returns the exit code."""
    allow_many_files()
    code = 0
    try:
        trio.run(_run, fleet_run)
    except* GuardLost as group:
        for error in leaves(group):
            print(f"derlaunch: {error}; all agents were stopped", file=sys.stderr)
        code = EXIT_FAILED
    except* NotServedError as group:
        for error in leaves(group):
            print(f"derlaunch: --modbus: {error}", file=sys.stderr)
        code = EXIT_FAILED
    except* BrokenPipeError:
        print("derlaunch: standard output was closed; all agents were stopped", file=sys.stderr)
        code = EXIT_PIPE
    return code


async def _run(fleet_run: FleetRun) -> None:
    runtime = real_runtime()
    jobs = plan_agents(fleet_run.fleet)
    stage = open_stage(fleet_run.fleet, jobs, fleet_run.log_format, fleet_run.log_level, runtime)
    stage.tell(
        "derlaunch starts",
        version=__version__,
        pid=os.getpid(),
        agents=len(jobs),
        headend=str(fleet_run.headend),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.screen.keep_screen)
        async with trio.open_nursery() as serving:
            if fleet_run.modbus:
                fleet_run = await serve_fleet(fleet_run, runtime, serving, stage.tell)
            await _run_agents(fleet_run, jobs, stage, runtime)
            serving.cancel_scope.cancel()
        stage.screen.finish()


async def _run_agents(
    fleet_run: FleetRun, jobs: tuple[AgentJob, ...], stage: FleetStage, runtime: Runtime
) -> None:
    """Runs the agents until a signal stops them."""
    async with trio.open_nursery() as running:
        stopping = trio.Event()
        if fleet_run.in_process:
            running.start_soon(stop_on_signal, stopping.set, stage.tell)
            await _run_in_process(fleet_run, jobs, stage.take, stopping)
            running.cancel_scope.cancel()
        else:
            running.start_soon(stop_on_signal, running.cancel_scope.cancel, stage.tell)
            settings = ProcessSettings(
                lambda job: agent_command(fleet_run, job, stage.form),
                runtime,
                stage.take,
                whole_log=fleet_run.log_level == "debug",
            )
            await run_processes(jobs, settings)


async def serve_fleet(
    fleet_run: FleetRun, runtime: Runtime, nursery: trio.Nursery, tell: Tell
) -> FleetRun:
    """Serves the simulated devices in the nursery; returns the run whose agents reach them there.

    Raises: NotServedError.
    """
    try:
        ports = await serve_inverters(fleet_run.fleet, runtime, nursery)
    except (DeviceConfigError, OSError) as failure:
        raise NotServedError(str(failure)) from failure
    for asset_id, port in ports.items():
        tell("device served", asset=asset_id, address=f"{LOOPBACK}:{port}")
    fleet = with_inverters(fleet_run.fleet, ports)
    assets = fleet_run.data / MODBUS_ASSETS

    def write() -> None:
        assets.parent.mkdir(parents=True, exist_ok=True)
        assets.write_text(render_fleet(fleet), encoding="utf-8")

    await runtime.run_blocking(write)
    return replace(fleet_run, assets=assets, fleet=fleet)


async def _run_in_process(
    fleet_run: FleetRun,
    jobs: tuple[AgentJob, ...],
    take: Callable[[FleetEvent], None],
    stopping: trio.Event,
) -> None:
    host, port = fleet_run.headend
    settings = LoopSettings(
        fleet=fleet_run.fleet,
        runtime=real_runtime(),
        dial=lambda: dial(host, port),
        authority=str(fleet_run.headend),
        rng=random.Random(secrets.randbits(128)),
        on_event=take,
        token_file=fleet_run.token_file,
    )
    await run_in_process(jobs, settings, stopping)


def agent_command(fleet_run: FleetRun, job: AgentJob, form: str) -> list[str]:
    """The command line that runs the agent, prints its events, and logs in that form."""
    token = [] if fleet_run.token_file is None else ["--token-file", str(fleet_run.token_file)]
    level = [] if fleet_run.log_level is None else ["--log-level", fleet_run.log_level]
    return [
        *(sys.executable, "-m", "deragent", "run", "--events"),
        *("--assets", str(fleet_run.assets)),
        *(word for asset_id in job.asset_ids for word in ("--asset", asset_id)),
        *("--agent-id", job.agent_id),
        *("--headend", str(fleet_run.headend)),
        *("--data", str(fleet_run.data / job.agent_id)),
        *token,
        *level,
        *("--log-format", form),
    ]


async def stop_on_signal(stop: Callable[[], None], tell: Tell) -> None:
    """Calls ``stop`` at every SIGINT, SIGTERM or, unless ``nohup`` started it, SIGHUP; tells of
    it."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    hangups = () if ignored else (signal.SIGHUP,)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *hangups) as signals:
        async for number in signals:
            tell("stopping", signal=signal.Signals(number).name)
            stop()


def allow_many_files() -> None:
    """Raises the limit on open files: each agent's process needs three of the usual 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_stage(
    fleet: Fleet,
    jobs: tuple[AgentJob, ...],
    log_format: str | None,
    log_level: str | None,
    runtime: Runtime,
) -> FleetStage:
    """The stage of a fleet, which knows the names of its agents and assets."""

    def asset_name(asset_id: str) -> str | None:
        asset = fleet.assets.get(asset_id)
        return None if asset is None else asset.name

    names = {job.agent_id: job.name for job in jobs}
    return FleetStage(names, asset_name, log_format, runtime.wall_us, log_level)
