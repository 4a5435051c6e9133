"""An agent on another gRPC stack: grpcio and google.protobuf, built from ``headend.proto`` alone.

It serves one imaginary battery that reaches any power at once. It registers, sends a sample
each period, and holds the newest setpoint for its window. It reports each state of a dispatch.

``deragent`` does more: it reconnects, keeps unacknowledged samples and its orders on disk,
plans orders that overlap, and returns to a default when the headend is silent.
"""

import argparse
import importlib
import queue
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
from grpc_tools import protoc

CONTRACT = Path(__file__).parents[1] / "proto/der/v1/headend.proto"
METHOD = "/der.v1.Headend/Session"


def load_contract(folder: Path, source: Path = CONTRACT) -> ModuleType:
    """google.protobuf's classes for the contract, generated into ``folder``."""
    # The file's own folder is the root, so that no package named `der` shadows another one.
    command = ["protoc", f"-I{source.parent}", f"--python_out={folder}", str(source)]
    if protoc.main(command) != 0:
        raise SystemExit(f"{source} does not compile")
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("headend_pb2")
    finally:
        sys.path.remove(str(folder))


class Session:
    """One stream to the headend: says what it is told to say, and yields what it hears."""

    def __init__(self, pb: ModuleType, target: str, timeout_s: float | None = None) -> None:
        self.pb = pb
        self.boot_id = random.getrandbits(63) + 1
        self._channel = grpc.insecure_channel(target)
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stream = self._channel.stream_stream(
            METHOD,
            request_serializer=pb.AgentMessage.SerializeToString,
            response_deserializer=pb.HeadendMessage.FromString,
        )
        self.call = stream(iter(self._outbox.get, None), timeout=timeout_s)

    def say(self, **body: Any) -> None:
        """Queues one AgentMessage; ``body`` is one of its fields."""
        self._outbox.put(self.pb.AgentMessage(**body))

    def register(self, agent_id: str, *asset_ids: str) -> None:
        """Claims the assets. The headend answers with Welcome, or else Goodbye."""
        register = self.pb.Register(
            agent_id=agent_id,
            asset_ids=asset_ids,
            boot_id=self.boot_id,
            clock_us=time.time_ns() // 1000,
        )
        self.say(register=register)

    def send_telemetry(self, first_seq: int, asset_index: int, *p_mw: float) -> None:
        """Sends samples of one asset, each 1 us after the one before."""
        now_us = time.time_ns() // 1000
        telemetry = self.pb.Telemetry(
            boot_id=self.boot_id,
            first_seq=first_seq,
            asset_index=[asset_index] * len(p_mw),
            ts_us=[now_us + i for i in range(len(p_mw))],
            p_mw=p_mw,
        )
        self.say(telemetry=telemetry)

    def close(self) -> None:
        """Ends the stream."""
        self._outbox.put(None)
        self._channel.close()


class BatteryAgent:
    """The battery's order, and when the next thing is due. Times are of ``time.monotonic``."""

    def __init__(self, session: Session) -> None:
        self._session, self._pb = session, session.pb
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._p_mw = 0.0
        self._seq = 0
        self._order: Any = None
        self._revision = 0
        self._started = False
        self._start_s = self._end_s = 0.0
        self._welcomed_s = 0.0
        self._period_s = self._heartbeat_s = 0.0

    def run(self) -> str:
        """Serves until the stream ends; returns how it ended."""
        threading.Thread(target=self._listen, daemon=True).start()
        message = self._inbox.get()
        kind = message.WhichOneof("body") if message is not None else None
        if kind != "welcome":
            return str(message)
        self._accept(message.welcome)
        sample_s = heartbeat_s = self._welcomed_s
        while True:
            now_s = time.monotonic()
            self._follow(now_s)
            if now_s >= sample_s:
                sample_s += self._period_s
                self._seq += 1
                self._session.send_telemetry(self._seq, 0, self._p_mw)
            if now_s >= heartbeat_s:
                heartbeat_s += self._heartbeat_s
                self._session.say(heartbeat=self._pb.Heartbeat(ts_us=time.time_ns() // 1000))
            due_s = min(sample_s, heartbeat_s, *self._turns())
            try:
                message = self._inbox.get(timeout=max(0.0, due_s - time.monotonic()))
            except queue.Empty:
                continue
            if message is None:
                return f"{self._session.call.code()}: {self._session.call.details()}"
            self._hear(message)

    def _listen(self) -> None:
        """Passes on what the headend says; None once the stream has ended."""
        try:
            for message in self._session.call:
                self._inbox.put(message)
        except grpc.RpcError:
            pass
        self._inbox.put(None)

    def _accept(self, welcome: Any) -> None:
        grant = welcome.assets[0]
        if grant.result != self._pb.GRANT_RESULT_GRANTED:
            raise SystemExit(f"the asset is refused: {grant.detail}")
        self._welcomed_s = time.monotonic()
        self._period_s = welcome.telemetry_period_ms / 1000
        self._heartbeat_s = welcome.heartbeat_period_ms / 1000

    def _hear(self, message: Any) -> None:
        match message.WhichOneof("body"):
            case "setpoint":
                self._take(message.setpoint)
            case "cancel":
                if self._holds(message.cancel.dispatch_id):
                    self._end(self._pb.DISPATCH_STATE_CANCELLED)
            case "goodbye":
                print(f"the headend ends the session: {message.goodbye.detail}")

    def _take(self, setpoint: Any) -> None:
        """Keeps a setpoint, in place of the one before it."""
        if self._holds(setpoint.dispatch_id):
            return
        if self._order is not None:
            self._end(self._pb.DISPATCH_STATE_SUPERSEDED, superseded_by=setpoint.dispatch_id)
        # Its times count from when it was written. What it spent on its way is gone.
        written_s = self._welcomed_s + setpoint.sent_at_session_us / 1e6
        self._order, self._revision, self._started = setpoint, 0, False
        self._start_s = written_s + setpoint.start_delay_us / 1e6
        endless = not setpoint.HasField("remaining_us")
        self._end_s = float("inf") if endless else written_s + setpoint.remaining_us / 1e6
        self._report(self._pb.DISPATCH_STATE_RECEIVED)

    def _holds(self, dispatch_id: str) -> bool:
        return self._order is not None and self._order.dispatch_id == dispatch_id

    def _turns(self) -> list[float]:
        """When the order starts or ends."""
        if self._order is None:
            return []
        return [self._end_s if self._started else self._start_s]

    def _follow(self, now_s: float) -> None:
        """Starts and ends the order in time."""
        if self._order is not None and not self._started and now_s >= self._start_s:
            self._started, self._p_mw = True, self._order.mw
            self._report(self._pb.DISPATCH_STATE_STARTED)
        if self._order is not None and now_s >= self._end_s:
            self._end(self._pb.DISPATCH_STATE_COMPLETED)

    def _end(self, state: int, **more: Any) -> None:
        self._report(state, **more)
        self._order, self._p_mw = None, 0.0

    def _report(self, state: int, **more: Any) -> None:
        self._revision += 1
        report = self._pb.DispatchReport(
            dispatch_id=self._order.dispatch_id,
            asset_index=0,
            state=state,
            ts_us=time.time_ns() // 1000,
            revision=self._revision,
            **({"applied_mw": self._order.mw} if self._started else {}),
            **more,
        )
        self._session.say(dispatch_report=report)


def main() -> None:
    parser = argparse.ArgumentParser(description="An agent on grpcio, for one asset.")
    parser.add_argument("--headend", default="127.0.0.1:50051", metavar="H:P")
    parser.add_argument("--asset", required=True, metavar="ID", help="UUID of the asset to serve")
    parser.add_argument("--agent-id", default="grpcio-agent", metavar="ID")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pb = load_contract(Path(folder))
    session = Session(pb, options.headend)
    try:
        session.register(options.agent_id, options.asset)
        print(BatteryAgent(session).run())
    except KeyboardInterrupt:
        pass
    finally:
        session.close()


if __name__ == "__main__":
    main()
