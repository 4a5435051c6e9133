"""The pieces that can be taken out of the link: each still replaces something that is there."""

import subprocess
import sys
from pathlib import Path

from tests.unit.bench.conftest import BENCH

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
from derproto.triogrpc import server
from derproto.triogrpc.connection import link
from derproto.triogrpc.sockets import transport
from derproto.triogrpc.calls.server_stream import ServerStream
import derproto.headend_rpc, gc
from without import PIECES
places = [(server, "Shared"), (link, "FastHttp2"), (ServerStream, "deliver"),
          (transport.SharedWriter, "add"), (derproto.headend_rpc, "decode_agent")]
def state():
    return [getattr(owner, name) for owner, name in places] + [gc.get_threshold()]
gc.set_threshold(50_000, 20, 50)
for name, take_out in PIECES.items():
    before = state()
    take_out()
    print(name, sum(was != now for was, now in zip(before, state(), strict=True)))
"""


def test_each_piece_replaces_one_thing() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": f"{BENCH}:{ROOT}:{ROOT / 'proto'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = run.stdout.splitlines()
    assert len(lines) >= 6
    assert all(line.endswith(" 1") for line in lines), lines
