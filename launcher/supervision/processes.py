"""Runs each agent in a process of its own.

run_processes
├ watch_guard       watches the guard, which ends all agents if the launcher is killed
└ keep_agent        for each agent, one process after another:
  └ attend          reads events and errors until the process has ended
"""

import os
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import trio

from deragent.event_lines import parse_line
from derproto.base.runtime import Runtime, shielded_for
from derproto.system.systemd import VARIABLES
from launcher.fleets.agent_jobs import AgentJob
from launcher.supervision.fleet_events import AgentSaid, AgentStarted, FleetEvent
from launcher.supervision.guard_watch import KILLED_S, ending, open_guard, watch_guard
from launcher.supervision.output_lines import ErrorLines, LineSplitter
from launcher.supervision.restarts import keep_agent

GRACE_S = 5.0
"""From SIGTERM to SIGKILL, seconds."""
STARTING_AT_ONCE = max(2, os.cpu_count() or 1)
"""Processes that may start at a time: importing keeps a core busy for a while. A start ends
with the process's first output, or after START_S."""
START_S = 10.0
DRAIN_S = 1.0
"""Time to read on after a process ended, if another process holds its output open."""
READ_BYTES = 16_384

Command = Callable[[AgentJob], Sequence[str]]


async def _at_once(_agent_id: str) -> None:
    await trio.lowlevel.checkpoint()


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Settings of all agents' processes."""

    command: Command
    """The command line that runs an agent and prints its events."""
    runtime: Runtime
    on_event: Callable[[FleetEvent], None]
    """Called in place; must not block."""
    grace_s: float = GRACE_S
    whole_log: bool = False
    """Whether the agents' log lines of the levels debug and info are passed on, too."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the agents have beside the launcher's own."""
    may_start: Callable[[str], Awaitable[None]] = _at_once
    """Waited for before each start of the agent of that id."""


async def run_processes(jobs: Iterable[AgentJob], settings: ProcessSettings) -> None:
    """Runs every agent in a process of its own, for ever.

    Cancellation: all agents get SIGTERM and, ``grace_s`` later, SIGKILL. None is left when this
    returns. If the launcher itself is killed, the guard does the same.

    Raises: GuardLost, in a group.
    """
    async with open_guard(settings.grace_s) as group:
        starts = trio.CapacityLimiter(STARTING_AT_ONCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_guard, group)
            for job in jobs:
                live = partial(_live, job, settings, group.pid, starts)
                keep = partial(keep_agent, runtime=settings.runtime, on_event=settings.on_event)
                nursery.start_soon(keep, job.agent_id, live)


async def _live(
    job: AgentJob, settings: ProcessSettings, group: int, starts: trio.CapacityLimiter
) -> str:
    """Runs an agent's process until it ends; returns how."""
    await settings.may_start(job.agent_id)
    async with trio.open_nursery() as nursery:
        async with starts:
            try:
                process = await trio.lowlevel.open_process(
                    list(settings.command(job)),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    # Ctrl-C reaches only the terminal's foreground group: the launcher.
                    process_group=group,
                    # An agent that took the launcher's place with systemd would be refused there.
                    env={
                        **{k: v for k, v in os.environ.items() if k not in VARIABLES},
                        **settings.environment,
                    },
                )
            except OSError as error:
                return f"could not be started ({error})"
            listener = _Listener(job, settings, process)
            nursery.start_soon(listener.attend)
            settings.on_event(AgentStarted(settings.runtime.wall_us(), job.agent_id, process.pid))
            with trio.move_on_after(START_S):
                await listener.first_word.wait()
    return ending(process)


class _Listener:
    """Reads the output of one process, and ends the process with its task."""

    def __init__(self, job: AgentJob, settings: ProcessSettings, process: trio.Process) -> None:
        self.first_word = trio.Event()
        """Set once the process wrote something, or ended."""
        self._job = job
        self._settings = settings
        self._process = process
        self._events = LineSplitter()
        self._errors = LineSplitter()
        self._worth_passing = ErrorLines(whole=settings.whole_log)

    async def attend(self) -> None:
        """Reads until the process has ended. Cancellation: ends the process within the grace."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        try:
            await self._listen(self._process.stdout, self._process.stderr)
        finally:
            self.first_word.set()
            with shielded_for(self._settings.grace_s + KILLED_S):
                async with (
                    self._process.stdout,
                    self._process.stderr,
                    trio.open_nursery() as nursery,
                ):
                    if self._process.returncode is None:
                        # Otherwise it could block on a full pipe, and never end.
                        nursery.start_soon(self._listen, self._process.stdout, self._process.stderr)
                        await self._stop()

    async def _listen(self, stdout: trio.abc.ReceiveStream, stderr: trio.abc.ReceiveStream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, stdout, self._events, self._take_event_line)
            nursery.start_soon(self._read, stderr, self._errors, self._take_error_line)
            await self._process.wait()
            nursery.cancel_scope.deadline = trio.current_time() + DRAIN_S
        for line in (self._errors.rest(), *self._worth_passing.rest()):
            if line:
                self._say(line)

    async def _stop(self) -> None:
        self._process.terminate()
        with trio.move_on_after(self._settings.grace_s):
            await self._process.wait()
            return
        self._process.kill()
        self._say(f"did not end within {self._settings.grace_s:g} s of SIGTERM: killed")
        await self._process.wait()

    async def _read(
        self, stream: trio.abc.ReceiveStream, lines: LineSplitter, take: Callable[[str], None]
    ) -> None:
        while data := await stream.receive_some(READ_BYTES):
            self.first_word.set()
            for line in lines.feed(data):
                take(line)

    def _take_event_line(self, line: str) -> None:
        try:
            event = parse_line(line)
        except ValueError:
            # Not an event, but someone may want to read it.
            self._take_error_line(line)
        else:
            self._settings.on_event(event)

    def _take_error_line(self, line: str) -> None:
        for worth in self._worth_passing.take(line, trio.current_time()):
            self._say(worth)

    def _say(self, text: str) -> None:
        at_us = self._settings.runtime.wall_us()
        self._settings.on_event(AgentSaid(at_us, self._job.agent_id, text))
