"""The cost of encoding and decoding a telemetry message, microseconds a sample.

Our contestant reads columns, as the headend does. The others are the compiled dataclasses, plain
betterproto2, and google.protobuf (upb, in C). google.protobuf makes Python's numbers only when a
field is read, so it takes part with and without that.

The figures are CPU time of one process: the median of rounds, which are interleaved.
"""

import gc
import json
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fleets import asset_id, make_fleet
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from grpc_tools import protoc

from derhead.telemetry import LatestTable, Rows, offer_block, read_rows
from derproto.codec import TelemetryColumns, decode_agent, decoder, encode_agent, encoder
from derproto.der.v1 import AgentMessage, Telemetry

PROTO = Path(__file__).parents[2] / "proto"

FIRST_TS_US = 1_780_000_000_000_000
COLUMNS = {
    "asset_index": "I",
    "ts_us": "q",
    "p_mw": "d",
    "q_mvar": "d",
    "soc": "d",
    "voltage_v": "d",
    "frequency_hz": "d",
    "status": "I",
    "quality": "I",
}

Contestants = Mapping[str, Callable[[], object]]


def main(quick: bool) -> dict[str, Any]:
    """The measures by name, each with our figure, the peers' and the ratios."""
    peer = google_class()
    rounds, seconds = (5, 0.02) if quick else (21, 0.05)
    found: dict[str, Any] = {}
    for rows in (1, 50):
        for verb, contestants in (
            ("decode", decoding(rows, peer)),
            ("encode", encoding(rows, peer)),
        ):
            figures = measure(contestants, rounds, seconds)
            found[f"codec_{verb}_us_per_sample_{rows}_a_message"] = shape(
                f"{verb} telemetry of all columns, µs a sample, {rows} a message",
                {name: us / rows for name, us in figures.items()},
            )
    figures = measure(storing(50, peer), rounds, seconds)
    found["codec_store_us_per_sample_50_a_message"] = shape(
        "decode telemetry and put it into the latest table, µs a sample, 50 a message",
        {name: us / 50 for name, us in figures.items()},
    )
    return found


def storing(rows: int, peer: Any) -> Contestants:
    """The work of a saturated headend on a message, without the link.

    The peers have a dict in the place of the table, of what they decoded, as in ``link``.
    """
    data = encode_agent(AgentMessage(telemetry=telemetry(rows)))
    ids = [asset_id(number) for number in range(rows)]
    fleet, table = make_fleet(rows), LatestTable()
    granted = dict(enumerate(fleet.assets.values()))
    slots = {index: table.slot(asset.id) for index, asset in granted.items()}
    seen: dict[str, tuple[Any, ...]] = {}

    def store_ours() -> None:
        columns = decode_agent(data)
        assert isinstance(columns, TelemetryColumns)
        taken = read_rows(
            columns,
            agent_id="agent",
            granted=granted,
            claimed=rows,
            max_rows=5000,
            received_us=FIRST_TS_US,
        )
        assert isinstance(taken, Rows)
        offer_block(slots, taken.samples)

    def store(read: Any) -> None:
        for row in zip(*(getattr(read, name) for name in COLUMNS), strict=True):
            seen[ids[row[0]]] = row

    return {
        "ours": store_ours,
        "betterproto2": lambda: store(AgentMessage.parse(data).telemetry),
        "google.protobuf": lambda: store(peer.FromString(data).telemetry),
    }


def decoding(rows: int, peer: Any) -> Contestants:
    data = encode_agent(AgentMessage(telemetry=telemetry(rows)))
    decode = decoder(AgentMessage)

    def read_google() -> list[object]:
        read = peer.FromString(data).telemetry
        return [array(typecode, getattr(read, name)) for name, typecode in COLUMNS.items()]

    return {
        "ours": lambda: decode_agent(data),
        "ours, dataclass": lambda: decode(data),
        "betterproto2": lambda: AgentMessage.parse(data),
        "google.protobuf": lambda: peer.FromString(data),
        "google.protobuf, columns read": read_google,
    }


def encoding(rows: int, peer: Any) -> Contestants:
    """Encodes from columns, a dataclass or google's object, all made beforehand."""
    message = AgentMessage(telemetry=telemetry(rows))
    columns = TelemetryColumns.from_message(telemetry(rows))
    theirs = peer.FromString(encode_agent(message))
    encode = encoder(AgentMessage)
    assert encode_agent(columns) == encode(message) == bytes(message) == theirs.SerializeToString()
    return {
        "ours": lambda: encode_agent(columns),
        "ours, dataclass": lambda: encode(message),
        "betterproto2": lambda: bytes(message),
        "google.protobuf": theirs.SerializeToString,
    }


def telemetry(rows: int) -> Telemetry:
    return Telemetry(
        boot_id=0x1234_5678_9ABC_DEF0,
        first_seq=1_000_000,
        asset_index=list(range(rows)),
        ts_us=[FIRST_TS_US + row for row in range(rows)],
        p_mw=[0.05 + row / 1000 for row in range(rows)],
        q_mvar=[0.01] * rows,
        soc=[0.5] * rows,
        voltage_v=[230.5] * rows,
        frequency_hz=[50.01] * rows,
        status=[4] * rows,
        quality=[0] * rows,
    )


def google_class() -> Any:
    """google.protobuf's AgentMessage, made by protoc from the contract."""
    pool = descriptor_pool.DescriptorPool()
    with TemporaryDirectory() as folder:
        compiled = Path(folder) / "set"
        arguments = [f"-I{PROTO}", f"--descriptor_set_out={compiled}", "der/v1/headend.proto"]
        if protoc.main(["protoc", *arguments]):
            raise RuntimeError("protoc failed")
        for file in descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file:
            pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("der.v1.AgentMessage"))


def measure(contestants: Contestants, rounds: int, seconds: float) -> dict[str, float]:
    """The CPU time of each call, microseconds."""
    calls = {name: calls_in(run, seconds) for name, run in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    gc.disable()
    try:
        for _ in range(rounds):
            for name, run in contestants.items():
                times[name].append(time_calls(run, calls[name]) / calls[name] * 1e6)
    finally:
        gc.enable()
    return {name: statistics.median(each) for name, each in times.items()}


def calls_in(run: Callable[[], object], seconds: float) -> int:
    calls = 1
    while (took := time_calls(run, calls)) < seconds / 4:
        calls *= 2
    return max(1, int(calls * seconds / took))


def time_calls(run: Callable[[], object], calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        run()
    return time.process_time() - started


def shape(title: str, figures: Mapping[str, float]) -> dict[str, Any]:
    peers = {name: round(us, 3) for name, us in figures.items() if name != "ours"}
    ours = figures["ours"]
    return {
        "title": title,
        "ours": round(ours, 3),
        "peers": peers,
        "ratio": {name: round(ours / figures[name], 3) for name in peers},
    }


if __name__ == "__main__":
    print(json.dumps(main(quick="--quick" in sys.argv), indent=2, ensure_ascii=False))
