"""The drill's own headend: a process that starts again whenever it has ended."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable

import trio

from derproto.base.runtime import Runtime, shielded_for
from derproto.system.systemd import VARIABLES
from launcher.drilling.drill_files import HOST, DrillFiles
from launcher.drilling.process_seat import ProcessSeat
from launcher.drilling.rest_answers import NoAnswer, RestAnswers
from launcher.judgement.evidence import ProcessEnd
from launcher.supervision.guard_watch import KILLED_S, ending, open_guard, watch_guard

GRACE_S = 12.0
"""From SIGTERM to SIGKILL, seconds: the headend stops within 10."""
LOOK_S = 0.1
"""Time between two looks whether a headend that starts answers, seconds."""
AGAIN_S = 0.5
"""Time before a headend that ended starts again, seconds."""
PORTS = range(20_000, 32_000)
"""Ports to choose from. Linux takes ports of outgoing connections from 32,768 on, so none takes
the headend's port while the headend is down."""
READ_BYTES = 65_536


def free_port(rng: random.Random) -> int:
    """A port of loopback that is free now. Raises: OSError, if none is found."""
    for _ in range(100):
        port = PORTS[int(rng.random() * len(PORTS))]
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port of {PORTS.start} to {PORTS.stop - 1} is free")


class HeadendKeeper:
    """Runs the headend, one process after another."""

    def __init__(
        self,
        files: DrillFiles,
        rest: RestAnswers,
        runtime: Runtime,
        tell: Callable[..., None],
    ) -> None:
        self._files = files
        self._rest = rest
        self._runtime = runtime
        self._tell = tell
        self.seat = ProcessSeat("headend")
        self.answers = trio.Event()
        """Set once the present process answers; another event for each process."""
        self.ends: list[ProcessEnd] = []
        """Every end but that of the last process, which ``keep`` ends."""
        self.exit_code: int | None = None
        """That of the last process."""

    async def keep(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps a headend running; started once the first one answers.

        Cancellation: the headend gets SIGTERM and, ``GRACE_S`` later, SIGKILL. Raises: GuardLost,
        in a group.
        """
        async with open_guard(GRACE_S) as group, trio.open_nursery() as nursery:
            nursery.start_soon(watch_guard, group)
            nursery.start_soon(self._keep_starting, group.pid)
            await self.seat.wait_up()
            await self.answers.wait()
            task_status.started()

    async def _keep_starting(self, group: int) -> None:
        while True:
            await self.seat.wait_free()
            how = await self._live(group)
            self.ends.append(ProcessEnd(self._runtime.wall_us(), "headend", how))
            self._tell("headend ended", reason=how)
            await trio.sleep(AGAIN_S)

    async def _live(self, group: int) -> str:
        self.answers = trio.Event()
        process = await trio.lowlevel.open_process(
            [
                *(sys.executable, "-m", "derhead", "serve", "--config", str(self._files.settings)),
                *("--assets", str(self._files.assets), "--data", str(self._files.headend)),
                *("--log-format", "logfmt"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # A pipe: the limit of a full disk must not silence the log.
            stderr=subprocess.PIPE,
            process_group=group,
            env={k: v for k, v in os.environ.items() if k not in VARIABLES},
        )
        assert process.stderr is not None
        self.seat.started(process.pid)
        self._tell("headend started", pid=process.pid)
        try:
            async with process.stderr, trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_log, process.stderr)
                nursery.start_soon(self._wait_for_answer)
                await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            await self._stop(process)
            self.seat.ended()
            self.exit_code = process.returncode
        return ending(process)

    async def _keep_log(self, stderr: trio.abc.ReceiveStream) -> None:
        with self._files.headend_log.open("ab", buffering=0) as log:
            while data := await stderr.receive_some(READ_BYTES):
                log.write(data)

    async def _wait_for_answer(self) -> None:
        while True:
            try:
                await self._rest.ask("GET", "/agents")
            except NoAnswer:
                await trio.sleep(LOOK_S)
            else:
                self.answers.set()
                return

    async def _stop(self, process: trio.Process) -> None:
        if process.returncode is not None:
            return
        with shielded_for(GRACE_S + KILLED_S):
            process.terminate()
            with trio.move_on_after(GRACE_S):
                await process.wait()
                return
            process.kill()
            await process.wait()
