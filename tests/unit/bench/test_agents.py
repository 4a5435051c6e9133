"""The load generator against servers that parse what it says."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from derproto.der.v1 import AgentMessage, Telemetry
from tests.support.waiting import PATIENCE_S, eventually
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


def wait_acknowledged(agents: Any) -> int:
    """All rows sent since the start, once they are acknowledged."""

    def look() -> int | None:
        agents._child.say("go 0.001 1 0 0.02")
        agents._child.hear(PATIENCE_S)
        counts = agents._child.hear(PATIENCE_S)
        return counts["rows"] if counts["acked_rows"] == counts["rows"] else None

    return eventually("all rows are acknowledged", look)


PACED = {"rate": 80, "rows": 7, "warmup_s": 0, "seconds": 1.0}
FLOOD = {"rate": 0, "rows": 50, "warmup_s": 0.1, "seconds": 0.3}


def go(agents: Any, server: Any, how: dict[str, float], enough: Callable[[Any], Any]) -> Any:
    """The first measurement that has enough: on a busy machine nobody may get a turn in one."""

    def look() -> Any:
        found = agents.go(server, **how)
        return found if enough(found) else None

    return eventually("a measurement with enough in it", look)


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
        paced = go(agents, server, PACED, lambda seen: seen.messages and seen.setpoints_us)
        # No faster than asked; far slower where the machine is busy.
        assert paced.messages <= 90
        assert paced.rows == 7 * paced.messages
        assert all(0 < took_us < 2e6 for took_us in paced.setpoints_us)
        server.order(0)
        assert wait_acknowledged(agents) == server.stats()["rows"]

        def outgrown(flood: Any) -> bool:
            sent, taken = flood.rows > paced.rows, flood.taken_rows > paced.taken_rows
            return bool(sent and taken and flood.server_cpu_s > 0)

        go(agents, server, FLOOD, outgrown)
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
        go(agents, server, PACED, lambda seen: seen.setpoints_us)
        server.order(0)
        assert wait_acknowledged(agents) == server.stats()["rows"]
        go(agents, server, FLOOD, lambda seen: seen.taken_rows)
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
            child.hear(PATIENCE_S)
            ended = child.hear(PATIENCE_S)
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
