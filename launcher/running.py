"""What ``derlaunch run`` is made of:

run_fleet
├ keep_screen                     last to end: it shows how the agents ended
└ run_processes | run_in_process  the agents
  └ stop_on_signal
"""

import logging
import os
import random
import resource
import secrets
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from derproto.base.command import EXIT_FAILED, leaves
from derproto.base.fleet import Fleet
from derproto.base.kinds import Address
from derproto.base.runtime import real_runtime
from derproto.triogrpc import dial
from launcher.display import Tally, happening_line, printable
from launcher.happenings import Happening
from launcher.in_process import Home, run_in_process
from launcher.plan import AgentJob, plan_agents
from launcher.processes import GuardLost, Shop, run_processes
from launcher.screen import Screen


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run."""

    assets: Path
    """The file that the fleet came from."""
    fleet: Fleet
    headend: Address
    in_process: bool
    data: Path
    """Folder that has a folder for each agent."""


def run_fleet(orders: Orders) -> int:
    """Runs the fleet's agents until SIGINT, SIGTERM or SIGHUP; returns the exit code.

    Raises: OSError, perhaps in a group, when standard output is closed.
    """
    _allow_many_files()
    code = 0
    try:
        trio.run(_run, orders)
    except* GuardLost as group:
        for error in leaves(group):
            print(f"derlaunch: {error}; all agents were stopped", file=sys.stderr)
        code = EXIT_FAILED
    return code


async def _run(orders: Orders) -> None:
    jobs = plan_agents(orders.fleet)
    names = {job.agent_id: job.name for job in jobs}
    tally = Tally(names)
    fd = sys.stdout.fileno()
    terminal = os.isatty(fd)
    screen = Screen(fd, tally.count_line, _columns if terminal else None)
    _show_warnings(screen)

    def take(happening: Happening) -> None:
        if tally.take(happening):
            screen.put(happening_line(happening, names))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.keep_screen)
        async with trio.open_nursery() as running:
            stopping = trio.Event()
            if orders.in_process:
                running.start_soon(stop_on_signal, stopping.set)
                await _run_in_process(orders, jobs, take, stopping)
                running.cancel_scope.cancel()
            else:
                running.start_soon(stop_on_signal, running.cancel_scope.cancel)
                shop = Shop(lambda job: agent_command(orders, job), real_runtime(), take)
                await run_processes(jobs, shop)
        screen.finish()


async def _run_in_process(
    orders: Orders,
    jobs: tuple[AgentJob, ...],
    take: Callable[[Happening], None],
    stopping: trio.Event,
) -> None:
    host, port = orders.headend
    home = Home(
        fleet=orders.fleet,
        runtime=real_runtime(),
        dial=lambda: dial(host, port),
        authority=str(orders.headend),
        rng=random.Random(secrets.randbits(128)),
        on_happening=take,
    )
    await run_in_process(jobs, home, stopping)


def agent_command(orders: Orders, job: AgentJob) -> list[str]:
    """The command line that runs the agent and prints its events."""
    return [
        *(sys.executable, "-m", "deragent", "run", "--events"),
        *("--assets", str(orders.assets)),
        *(word for asset_id in job.asset_ids for word in ("--asset", asset_id)),
        *("--agent-id", job.agent_id),
        *("--headend", str(orders.headend)),
        *("--data", str(orders.data / job.agent_id)),
    ]


async def stop_on_signal(stop: Callable[[], None]) -> None:
    """Calls ``stop`` at SIGINT, SIGTERM or SIGHUP; further ones change nothing."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for _number in signals:
            stop()


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _allow_many_files() -> None:
    """An agent's process takes three descriptors here; the usual 1,024 end at 340 agents."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _ScreenHandler(logging.Handler):
    """Shows log records as lines, where stderr would tear the terminal's last line."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self._screen.put(printable(line))


def _show_warnings(screen: Screen) -> None:
    handler = _ScreenHandler(screen)
    handler.setFormatter(logging.Formatter("| %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
