"""``derlaunch run`` with real agents, against a small headend in the test's own loop."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from derproto.configuration.assets_text import render_fleet
from derproto.der import v1
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import Server, ServerStream
from launcher.fleets.agent_jobs import plan_agents
from launcher.fleets.generated_fleet import generate
from tests.support.waiting import PATIENCE_S, runs

pytestmark = pytest.mark.e2e

SIZE = 4
STARTED = r"event=dispatch .*state=started"


class SmallHeadend:
    """Welcomes every agent and has its first asset hold 0 MW until further notice."""

    def __init__(self) -> None:
        self.registered: Counter[str] = Counter()
        self.cleanly_ended: set[str] = set()
        self.all_ended = trio.Event()

    async def serve(self, stream: ServerStream) -> None:
        first = await stream.recv_message()
        assert first is not None
        register = first.register
        self.registered[register.agent_id] += 1
        grants = [
            v1.AssetGrant(asset_index=index, result=v1.GrantResult.GRANTED)
            for index in range(len(register.asset_ids))
        ]
        welcome = v1.Welcome(
            session_id=f"{register.agent_id}-{self.registered[register.agent_id]}",
            telemetry_period_ms=1000,
            heartbeat_period_ms=1000,
            alive_period_ms=10_000,
            agent_silence_limit_ms=45_000,
            headend_silence_limit_ms=45_000,
            assets=grants,
            max_rows_per_message=1000,
        )
        await stream.send_message(v1.HeadendMessage(welcome=welcome))
        setpoint = v1.Setpoint(dispatch_id=welcome.session_id, mw=0.0, priority=128)
        await stream.send_message(v1.HeadendMessage(setpoint=setpoint))
        while await stream.recv_message() is not None:
            pass
        self.cleanly_ended.add(register.agent_id)
        if len(self.cleanly_ended) == SIZE:
            self.all_ended.set()


class Output:
    """The launcher's lines, to be waited for."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self.text = ""

    async def wait(self, pattern: str, times: int = 1) -> list[str]:
        """What the pattern's group found, once it is there so often."""
        with trio.fail_after(PATIENCE_S):
            while len(found := re.findall(pattern, self.text, re.MULTILINE)) < times:
                data = await self._stream.receive_some()
                assert data, f"the launcher ended: {self.text}"
                self.text += data.decode()
        return found


@asynccontextmanager
async def open_headend() -> AsyncIterator[tuple[SmallHeadend, int]]:
    headend = SmallHeadend()
    server = Server({SESSION: headend.serve}, codec=MessageCodec())
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, listeners)
        yield headend, port
        nursery.cancel_scope.cancel()


async def launch(folder: Path, port: int, *flags: str) -> tuple[trio.Process, Output]:
    assets = trio.Path(folder) / "assets.yaml"
    await assets.write_text(render_fleet(generate(SIZE)), encoding="utf-8")
    process = await trio.lowlevel.open_process(
        [
            *(sys.executable, "-m", "launcher", "run", "--assets", str(assets)),
            *("--headend", f"127.0.0.1:{port}", "--data", str(folder / "data"), *flags),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])},
    )
    assert process.stdout is not None
    return process, Output(process.stdout)


async def stop(process: trio.Process, number: signal.Signals) -> None:
    process.send_signal(number)
    with trio.fail_after(PATIENCE_S):
        assert await process.wait() == 0


async def test_the_launcher_runs_a_process_an_agent_and_restarts_and_stops_them(
    tmp_path: Path,
) -> None:
    async with open_headend() as (headend, port):
        process, output = await launch(tmp_path, port)
        await output.wait(r'^ts=\S+ level=info event="derlaunch starts" version=\S+ pid=\d+ ')
        await output.wait(r" event=connected agent=", times=SIZE)
        await output.wait(rf" {STARTED} mw=0.0 ", times=SIZE)
        job = plan_agents(generate(SIZE))[0]
        victim = await output.wait(
            rf' event="agent started" agent=\S+ pid=(\d+) agent_name={job.name} '
        )
        os.kill(int(victim[0]), signal.SIGKILL)
        await output.wait(
            rf' event="agent ended" agent={job.agent_id} reason="was ended by SIGKILL" lived_s=\S+ '
            rf"retry_in_s=1.0 agent_name={job.name} "
        )
        await output.wait(rf" event=connected .*agent_name={job.name} ", times=2)
        pids = await output.wait(r' event="agent started" .*pid=(\d+)', times=SIZE + 1)

        await stop(process, signal.SIGINT)
        await output.wait(r" event=stopping signal=SIGINT ")
        assert not any(runs(int(pid)) for pid in pids)
        expected = {one.agent_id: 1 for one in plan_agents(generate(SIZE))}
        with trio.fail_after(PATIENCE_S):
            await headend.all_ended.wait()
        assert headend.registered == {**expected, job.agent_id: 2}
        assert "Traceback" not in output.text


async def test_the_launcher_runs_many_agents_in_one_loop(tmp_path: Path) -> None:
    async with open_headend() as (headend, port):
        process, output = await launch(tmp_path, port, "--in-process", "--log-format", "json")
        await output.wait(r'"event": "connected", "agent": ', times=SIZE)
        await output.wait(r'"event": "dispatch", .*"state": "started", "mw": 0.0', times=SIZE)
        await stop(process, signal.SIGTERM)
        with trio.fail_after(PATIENCE_S):
            await headend.all_ended.wait()
        assert headend.registered == {one.agent_id: 1 for one in plan_agents(generate(SIZE))}
