"""Whatever a client sends, a real headend answers in kind and goes on.

Two attackers: schemathesis, which reads ``/openapi.json`` and sends what it allows and what it
forbids, and one that garbles bytes on a socket. ``DERHEAD_FUZZ_S`` makes both go on longer.
"""

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.api.description import hold
from tests.support.fleets import SITE, battery
from tests.support.processes.world import World, running

pytestmark = pytest.mark.e2e

SECONDS = int(os.environ.get("DERHEAD_FUZZ_S", "20"))
ASSET = "5c1f0000-0000-4000-8000-000000000001"
DISPATCH = "00000000-0000-4000-8000-000000000000"
FLEET: dict[str, Any] = {
    "sites": [{"id": SITE, "name": "mesa"}],
    "assets": [battery(ASSET, "battery-1")],
}

# Not held: positive_data_acceptance. That a cursor was given out, that `from` lies before `to`,
# or that an asset's limits allow a power, no schema can say.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,\
response_headers_conformance,response_schema_conformance,negative_data_rejection,\
missing_required_header,unsupported_method,allow_header_conformance,use_after_free,\
ensure_resource_availability"

NAMES = f"""
[parameters]
"path.asset" = ["{ASSET}", "battery-1", "nothing"]
"path.site" = ["{SITE}", "mesa"]
"path.agent_id" = ["{ASSET}", "nobody"]
"path.agent_or_asset" = ["{ASSET}", "battery-1"]
"""


def test_schemathesis_finds_no_fault(tmp_path: Path) -> None:
    with running(tmp_path, FLEET) as world:
        world.start(ASSET)
        (tmp_path / "schemathesis.toml").write_text(NAMES, encoding="utf-8")
        attack = subprocess.run(
            [
                *(Path(sys.executable).parent / "schemathesis", "run"),
                *(f"{world.base}/openapi.json", "--checks", CHECKS),
                *("--max-time", str(SECONDS), "--max-examples", "200", "--no-shrink"),
                *("--continue-on-failure", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS + 120,
            check=False,
        )
        assert attack.returncode == 0, attack.stdout[-8000:] + attack.stderr[-2000:]
        assert_unharmed(world)


SEEDS = (
    b"GET /telemetry HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\n\r\n",
    b"GET /telemetry/battery-1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /telemetry/battery-1/history?from=2026-01-31T00:00:00Z&limit=10&step=15m HTTP/1.1\r\n"
    b"Host: x\r\nX-Request-Id: a\r\n\r\n",
    b"GET /dispatch/history?cursor=abc&state=started HTTP/1.1\r\nHost: x\r\n\r\n",
    b"DELETE /dispatch/%b HTTP/1.1\r\nHost: x\r\n\r\n" % DISPATCH.encode(),
    b"POST /dispatch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b'Idempotency-Key: "k"\r\nContent-Length: 53\r\n\r\n'
    b'{"asset_id": "battery-1", "mw": 0.5, "duration_s": 9}',
    b"POST /dispatch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1b\r\n"
    b'{"site_id":"mesa","mw":-1.5}\r\n0\r\n\r\n',
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text\r\n\r\n",
)
TOKENS = (
    *(b"\r\n", b"\n", b"\0", b" ", b"%00", b"%ff", b"..", b"//", b"{", b"NaN", b"1e999", b":"),
    *(b"?", b"http://["),
)


def garble(seed: bytes, chance: random.Random) -> bytes:
    """The request with a few of its bytes changed, cut, repeated or strange."""
    data = bytearray(seed)
    for _ in range(chance.randint(0, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if at < len(data):
                data[at] = chance.randrange(256)
            case 1:
                data[at:at] = chance.choice(TOKENS)
            case 2:
                del data[at : at + chance.randint(1, 12)]
            case 3:
                data[at:at] = data[at : at + chance.randint(1, 40)]
            case 4:
                data[at:at] = chance.choice(TOKENS) * chance.choice((2, 100, 3000))
            case _:
                pass
    return bytes(data)


def send(world: World, data: bytes) -> bytes:
    """What the headend answers until it closes, or says nothing for a while."""
    host, _, port = world.base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        received = b""
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                received += piece
        except (ConnectionError, TimeoutError):
            pass
        return received


def check(request: bytes, answer: bytes) -> None:
    """HTTP/1.1 is answered by statuses that the description knows; errors are problems."""
    rest = answer
    while rest.startswith(b"HTTP/1.1 "):
        head, _, rest = rest.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status < 200:
            return
        assert status < 500, (request, answer)
        fields = dict(
            line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
        )
        assert b"x-request-id" in fields, (request, answer)
        body = rest[: int(fields.get(b"content-length", b"0"))]
        if request.startswith(b"HEAD"):
            return
        rest = rest[len(body) :]
        if status >= 400:
            assert fields[b"content-type"] == b"application/problem+json", (request, answer)
            problem = json.loads(body)
            assert problem["status"] == status
            assert problem["detail"]
            hold("GET", "/nothing", 404, "application/problem+json", body.decode())


def test_the_server_answers_garbled_requests_as_described(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    with running(tmp_path, FLEET, {"http_allowed_hosts": "x"}) as world:
        world.start(ASSET)
        # tests/fuzz garbles more of them; here it is the sockets that are real.
        deadline, sent = time.monotonic() + SECONDS / 2, 0
        while time.monotonic() < deadline:
            request = garble(chance.choice(SEEDS), chance)
            try:
                check(request, send(world, request))
            except Exception as fault:
                raise AssertionError(f"seed {seed}, request {sent}: {request!r}") from fault
            sent += 1
        assert sent > 100
        assert_unharmed(world)


def assert_unharmed(world: World) -> None:
    """The headend serves, its agent is there, and nothing in its log is a defect."""
    world.wait_online(ASSET)
    log = world.processes[0].log.read_text(encoding="utf-8")
    assert "Traceback" not in log, log[-4000:]
    assert "status=500" not in log, log[-4000:]
