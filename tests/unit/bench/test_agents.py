"""The load generator against servers that parse what it says."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from derproto.der.v1 import AgentMessage, Telemetry
from tests.unit.bench.parts import (
    contest,
    credentials,
    errors,
    fleets,
    generator,
    machine,
    servers,
    workshop,
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A workshop with everything built anew, over all cores."""
    cores = machine.Cores(*[frozenset(os.sched_getaffinity(0))] * 2)
    return workshop.Workshop(cores, lambda line: None, folder=tmp_path_factory.mktemp("bench"))


@pytest.fixture
def budget() -> Any:
    return contest.Budget(quick=True)


def wait_acknowledged(agents: Any, within_s: float = 5.0) -> tuple[int, int]:
    """All rows sent and acknowledged since the start, once they are equal or time is up."""
    deadline = time.monotonic() + within_s
    while True:
        agents._child.say("go 0.001 1 0 0.02")
        agents._child.hear(within_s)
        counts = agents._child.hear(within_s)
        if counts["acked_rows"] == counts["rows"] or time.monotonic() > deadline:
            return counts["rows"], counts["acked_rows"]


@pytest.mark.parametrize("server_name", ["our_link", "grpc_aio"])
def test_a_grpc_server_counts_what_the_agents_count(
    server_name: str, shop: Any, budget: Any, tmp_path: Path
) -> None:
    fleet = fleets.write_agents(tmp_path / "agents.txt", 20, 3)
    given = {"our_link": {"assets": 60}}.get(server_name, {})
    start = getattr(servers.Servers(shop, budget), server_name)
    with start(**given) as server, generator.connected(shop, budget, fleet, server.port) as agents:
        agents.require_all()
        assert server.stats()["sessions"] == 20
        server.acknowledge()
        server.order(100)
        paced = agents.go(server, rate=80, rows=7, warmup_s=0, seconds=1.0)
        # No faster than asked; far slower where the machine is busy.
        assert 0 < paced.messages <= 90
        assert paced.rows == 7 * paced.messages
        assert paced.setpoints_us
        assert all(0 < took_us < 2e6 for took_us in paced.setpoints_us)
        server.order(0)
        sent, acked = wait_acknowledged(agents)
        assert acked == sent == server.stats()["rows"]
        flood = agents.go(server, rate=0, rows=50, warmup_s=0.1, seconds=0.3)
        assert flood.rows > paced.rows
        assert flood.taken_rows > paced.taken_rows
        assert flood.server_cpu_s > 0
        agents.close()


def test_agents_show_their_certificates_and_reports_come_over_tls(
    shop: Any, budget: Any, tmp_path: Path
) -> None:
    try:
        shop.agents(tls=True)
    except errors.Unavailable as missing:
        pytest.skip(str(missing))
    fleet = fleets.write_agents(tmp_path / "agents.txt", 20, 3)
    folder = credentials.write_credentials(tmp_path / "tls", fleet)
    servers_of = servers.Servers(shop, budget)
    with (
        servers_of.our_link(assets=60, tls=folder) as server,
        generator.connected(shop, budget, fleet, server.port, tls=server.tls) as agents,
    ):
        agents.require_all()
        server.acknowledge()
        server.order(100)
        assert agents.go(server, rate=80, rows=7, warmup_s=0, seconds=1.0).setpoints_us
        server.order(0)
        sent, acked = wait_acknowledged(agents)
        assert acked == sent == server.stats()["rows"]
        flood = agents.go(server, rate=0, rows=50, warmup_s=0.1, seconds=0.3)
        assert flood.taken_rows > 0
        agents.close()


def test_agents_that_are_not_let_in_are_counted(shop: Any, budget: Any, tmp_path: Path) -> None:
    fleet = fleets.write_agents(tmp_path / "agents.txt", 5, 1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with generator.connected(shop, budget, fleet, port) as agents:
        assert agents.failed == 5
        with pytest.raises(errors.Failed, match="only 0 of 5 agents"):
            agents.require_all()


# --- MQTT ------------------------------------------------------------------------------


def read_exactly(stream: socket.socket, size: int) -> bytes:
    """Raises: EOFError."""
    read = b""
    while len(read) < size:
        chunk = stream.recv(size - len(read))
        if not chunk:
            raise EOFError
        read += chunk
    return read


def read_packet(stream: socket.socket) -> tuple[int, bytes]:
    """First byte and body of an MQTT packet."""
    kind = read_exactly(stream, 1)[0]
    length = shift = 0
    while True:
        byte = read_exactly(stream, 1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return kind, read_exactly(stream, length)


class Broker:
    """As much of an MQTT 3.1.1 broker as one agent needs, in a thread."""

    def __init__(self) -> None:
        self.connects: list[bytes] = []
        self.published: list[tuple[bytes, Telemetry]] = []

    def serve(self, stream: socket.socket) -> None:
        with stream:
            try:
                while True:
                    self._answer(stream, *read_packet(stream))
            except (EOFError, ConnectionError):
                return

    def _answer(self, stream: socket.socket, kind: int, body: bytes) -> None:
        if kind == 0x10:
            self.connects.append(body)
            stream.sendall(b"\x20\x02\x00\x00")
        else:
            assert kind == 0x33, "PUBLISH, QoS 1, retain"
            topic_size = int.from_bytes(body[:2], "big")
            topic, packet_id = body[2 : 2 + topic_size], body[2 + topic_size : 4 + topic_size]
            message = AgentMessage.parse(body[4 + topic_size :])
            assert message.telemetry is not None
            self.published.append((topic, message.telemetry))
            stream.sendall(b"\x40\x02" + packet_id)


@contextmanager
def broker() -> Iterator[tuple[Broker, int]]:
    """A broker for the first connection, and its port."""
    served = Broker()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: served.serve(listener.accept()[0]))
        thread.start()
        try:
            yield served, listener.getsockname()[1]
        finally:
            thread.join()


def test_mqtt_carries_the_same_messages(shop: Any, budget: Any, tmp_path: Path) -> None:
    fleet = fleets.write_agents(tmp_path / "agents.txt", 1, 2)
    with broker() as (served, port):
        with generator.connected(shop, budget, fleet, port, mqtt=True) as agents:
            agents.require_all()
            child = agents._child
            child.say("go 100 3 0 0.3")
            child.hear(5)
            ended = child.hear(5)
            agents.close()
    assert served.connects == [b"\x00\x04MQTT\x04\x02\x02\x58\x00\x0bagent-00000"]
    # On a busy machine the last acknowledgements come too late to be counted.
    assert 0 < ended["acked_rows"] <= 3 * len(served.published)
    seq = 1
    for topic, telemetry in served.published:
        assert topic == b"derv1/agent-00000"
        assert telemetry.first_seq == seq
        assert list(telemetry.asset_index) == [(seq + row) % 2 for row in range(3)]
        assert list(telemetry.p_mw) == pytest.approx([-0.8, -0.7, -0.6])
        assert list(telemetry.frequency_hz) == pytest.approx([49.99, 49.991, 49.992])
        for column in (telemetry.ts_us, telemetry.q_mvar, telemetry.soc, telemetry.status):
            assert len(column) == 3
        seq += 3
