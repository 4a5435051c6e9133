"""The contract, held by an agent written with grpcio and google.protobuf from the .proto alone.

People with other stacks read the contract: nothing here uses the project's own link or classes.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from examples.grpcio_agent import METHOD, Session, load_contract
from tests.support.fleets import BATTERY, SOLAR, fleet
from tests.support.processes.world import World, running
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.e2e

UNKNOWN = "5c1f0000-0000-4000-8000-0000000000ff"


@pytest.fixture(scope="module")
def pb(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """google.protobuf's classes, made from the contract."""
    return load_contract(tmp_path_factory.mktemp("pb"))


class Agent(Session):
    """A session that a test speaks for and listens to."""

    def __init__(self, pb: ModuleType, target: str) -> None:
        super().__init__(pb, target, timeout_s=PATIENCE_S)

    def hear(self, kind: str) -> Any:
        """The next message that is not Alive, which must be of this kind."""
        while True:
            message = next(self.call)
            if message.WhichOneof("body") != "alive":
                break
        assert message.WhichOneof("body") == kind, message
        return getattr(message, kind)

    def join(self, agent_id: str, *asset_ids: str) -> Any:
        """Registers, and returns the Welcome."""
        self.register(agent_id, *asset_ids)
        return self.hear("welcome")

    def end(self) -> tuple[grpc.StatusCode, str]:
        """Waits for the stream's end, and ignores the messages before it."""
        try:
            for _ in self.call:
                pass
        except grpc.RpcError:
            pass
        return self.call.code(), self.call.details()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = {"register_timeout_s": 1.0}
    with running(tmp_path_factory.mktemp("world"), fleet(), settings) as world:
        world.start_headend()
        yield world


@pytest.fixture
def agent(pb: ModuleType, world: World) -> Iterator[Agent]:
    agent = Agent(pb, world.headend_address)
    yield agent
    agent.close()


def test_grpcio_runs_a_session_from_welcome_to_acknowledgement(agent: Agent, world: World) -> None:
    welcome = agent.join("foreign", SOLAR, UNKNOWN)
    assert welcome.telemetry_period_ms == 4000
    assert [grant.result for grant in welcome.assets] == [1, 2]
    agent.send_telemetry(1, 0, 1.25, 1.5)
    ack = agent.hear("telemetry_ack")
    assert (ack.boot_id, ack.durable[0].first, ack.durable[0].last) == (agent.boot_id, 1, 2)
    assert world.get("/telemetry/solar")["p_mw"] == 1.5
    agent.send_telemetry(3, 1, 9.0)
    ack = agent.hear("telemetry_ack")
    assert (ack.refused[0].rows.first, ack.refused[0].reason) == (3, 1)
    agent.send_telemetry(4, 2, 9.0)
    assert agent.hear("goodbye").reason == 4
    assert agent.end() == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "telemetry.asset_index: 2 was never assigned; 0 to 1 were",
    )


def test_grpcio_receives_a_dispatch_and_reports_it(agent: Agent, world: World) -> None:
    agent.join("foreign", BATTERY)
    dispatch = world.order(BATTERY, -1.25, duration_s=600)
    setpoint = agent.hear("setpoint")
    assert (setpoint.dispatch_id, setpoint.mw) == (dispatch["id"], -1.25)
    assert 599_000_000 <= setpoint.remaining_us <= 600_000_000
    for state in (1, 2, 3):
        agent.say(
            dispatch_report={
                "dispatch_id": dispatch["id"],
                "asset_index": 0,
                "state": state,
                "applied_mw": -1.25,
            }
        )
    done = world.wait_state(dispatch["id"], "completed")
    assert done["applied_mw"] == -1.25


def test_the_headend_ends_a_stream_without_a_register(agent: Agent) -> None:
    began = time.monotonic()
    assert agent.end() == (grpc.StatusCode.DEADLINE_EXCEEDED, "no Register within 1 s")
    assert time.monotonic() - began >= 0.9


def test_the_headend_refuses_a_first_message_other_than_register(agent: Agent) -> None:
    agent.send_telemetry(1, 0, 1.0)
    assert agent.end() == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the first message must be register",
    )


def test_the_headend_refuses_bytes_that_are_not_a_message(world: World) -> None:
    with grpc.insecure_channel(world.headend_address) as channel:
        method = channel.stream_stream(METHOD)
        call = method(iter([b"\x0a\xff\xff"]), timeout=PATIENCE_S)
        with pytest.raises(grpc.RpcError):
            next(call)
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_second_stream_of_an_agent_replaces_the_first(
    pb: ModuleType, agent: Agent, world: World
) -> None:
    agent.join("twin", SOLAR)
    newer = Agent(pb, world.headend_address)
    try:
        newer.join("twin", SOLAR)
        assert agent.hear("goodbye").reason == 2
        assert agent.end()[0] is grpc.StatusCode.OK
        newer.send_telemetry(1, 0, 1.0)
        newer.hear("telemetry_ack")
    finally:
        newer.close()


def test_acknowledged_rows_outlive_a_kill(tmp_path: Path, pb: ModuleType) -> None:
    """The headend is killed in the middle of writing: every acknowledged row is there."""
    with running(tmp_path, fleet()) as world:
        headend = world.start_headend()
        agent = Agent(pb, world.headend_address)
        agent.join("foreign", SOLAR)
        acknowledged = 0
        for seq in range(1, 3000):
            agent.send_telemetry(seq, 0, seq / 1000)
            if seq % 20 == 0:
                acknowledged = agent.hear("telemetry_ack").durable[-1].last
            if acknowledged >= 300:
                break
        assert acknowledged >= 300
        headend.send(signal.SIGKILL)
        headend.popen.wait()
        agent.close()
        world.start_headend()
        kept = {round(item["p_mw"] * 1000) for item in world.history(SOLAR)}
        assert kept >= set(range(1, acknowledged + 1))
        assert world.get("/agents/foreign/sessions")["items"][0]["end_reason"] == "headend ended"
        restored = world.get("/telemetry/solar")
        assert restored["age_s"] < 60
        assert restored["stale"] is True
        agent = Agent(pb, world.headend_address)
        agent.join("foreign", SOLAR)
        agent.send_telemetry(acknowledged + 1000, 0, 1.0)
        agent.hear("telemetry_ack")
        assert world.get("/telemetry/solar")["stale"] is False
        agent.close()


def test_a_probe_that_speaks_grpc_hears_that_the_headend_serves(world: World) -> None:
    with grpc.insecure_channel(world.headend_address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        for service in ("", "der.v1.Headend"):
            answer = check(HealthCheckRequest(service=service), timeout=PATIENCE_S)
            assert answer.status == HealthCheckResponse.SERVING
