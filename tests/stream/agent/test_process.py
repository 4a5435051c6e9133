"""``deragent`` as a process, over TLS on a loopback socket, and its last resorts."""

import os
import random
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trustme
from trio.testing import MockClock

from deragent.daemon import run_agent
from deragent.devices import Measurement
from deragent.event_lines import EventKind, EventLine, parse_line
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.configuration.fleet import Asset
from derproto.der import v1
from derproto.triogrpc.testing import MemoryNetwork
from tests.stream.agent.conftest import Bench
from tests.stream.agent.fakes import FakeDevice, FakeHeadend, plan
from tests.support.epoch import T0
from tests.support.waiting import PATIENCE_S

ASSETS = """\
sites:
  - {id: 6f9f3b5e-52c6-4a4c-9a53-0f2f6a6f0001, name: valley}
assets:
  - id: 6f9f3b5e-52c6-4a4c-9a53-0f2f6a6f0002
    name: battery
    site: valley
    kind: battery
    rated_mw: 2
    energy_mwh: 4
    limits: {min_mw: -2, max_mw: 2}
"""


@pytest.mark.e2e
async def test_an_agent_over_tls_takes_an_order_and_ends_cleanly(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "assets.yaml").write_text(ASSETS)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2"])
    authority.issue_cert("127.0.0.1").configure_cert(context)
    (sockets,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = sockets.socket.getsockname()[1]
    headend = FakeHeadend(MemoryNetwork())
    headend.welcome.telemetry_period_ms = 100
    listener = trio.SSLListener(sockets, context, https_compatible=True)
    await nursery.start(headend.serve, listener)

    process = await trio.lowlevel.open_process(
        [
            *(sys.executable, "-m", "deragent", "run", "--events"),
            *("--assets", str(tmp_path / "assets.yaml"), "--asset", "battery"),
            *("--headend", f"127.0.0.1:{port}", "--data", str(tmp_path / "data")),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(["", *sys.path]),
            "DERAGENT_TLS_CA": str(tmp_path / "ca.pem"),
        },
    )
    assert process.stdout is not None
    with trio.fail_after(PATIENCE_S):
        session = await headend.wait_session(1)
        await session.order("d1", 1.5)
        await headend.wait_states(v1.DispatchState.RECEIVED, v1.DispatchState.STARTED)
        await headend.wait_until(lambda: 1.5 in [t.p_mw[-1] for _, t in session.telemetry])
        process.send_signal(signal.SIGTERM)
        printed = b"".join([data async for data in process.stdout])
        assert await process.wait() == 0
        await headend.wait_until(lambda: session.ended_s is not None)
    assert session.half_closed
    events = [parse_line(line) for line in printed.decode().splitlines()]
    assert [event.kind for event in events] == [
        EventKind.CONNECTING,
        EventKind.CONNECTED,
        EventKind.DISPATCH,
        EventKind.DISPATCH,
        EventKind.DISCONNECTED,
    ]
    assert events[-1].detail["reason"] == "stopping"


async def test_a_bug_in_a_device_ends_the_agent_loudly(autojump_clock: MockClock) -> None:
    class Buggy(FakeDevice):
        async def read(self) -> Measurement:
            await trio.lowlevel.checkpoint()
            raise ZeroDivisionError

    async def open_buggy(asset: Asset, runtime: Runtime) -> Buggy:
        await trio.lowlevel.checkpoint()
        return Buggy(asset)

    network = MemoryNetwork()
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        await run_agent(
            plan(),
            runtime=virtual_runtime(T0),
            dial=lambda: network.connect("headend"),
            rng=random.Random(1),
            authority="headend",
            open_device=open_buggy,
        )


async def test_a_bug_in_a_session_is_logged_and_costs_that_session_only(
    autojump_clock: MockClock, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(list[EventLine]):
        def append(self, event: EventLine) -> None:
            super().append(event)
            if event.kind is EventKind.CONNECTED and len(bench.headend.sessions) < 2:
                raise ZeroDivisionError

    bench.events = Faulty()
    await bench.start_agent()
    session = await bench.headend.wait_session(2)
    await trio.sleep(60)
    assert session.ended_s is None
    assert len(bench.headend.sessions) == 2
    assert "with a bug of the agent" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_a_cancelled_agent_leaves_nothing_behind(
    autojump_clock: MockClock, bench: Bench
) -> None:
    with trio.move_on_after(100):
        async with trio.open_nursery() as nursery:
            bench.nursery = nursery
            session = await bench.start_session(assets=3)
            await session.order("d1", 1.0, index=2)
            await bench.headend.wait_states(v1.DispatchState.RECEIVED, v1.DispatchState.STARTED)
            bench.devices[0].hung = True
    assert trio.current_time() == 100
    assert bench.devices[2].mw == 0.0
    await trio.sleep(1)
    assert session.ended_s is not None
    assert not session.half_closed
