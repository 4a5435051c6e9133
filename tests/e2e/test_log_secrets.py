"""The log of real processes holds no secret, whatever fails."""

import secrets
import signal
import socket
from functools import partial
from pathlib import Path

import httpx
import pytest

from derproto import __version__
from tests.e2e.test_tokens import command
from tests.support.access import bearer
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import Process, free_port, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def contains(process: Process, text: str) -> bool:
    return text in process.text()


def send_raw(port: int, request: bytes) -> None:
    """Sends bytes that are not quite HTTP, and reads whatever comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        while client.recv(4096):
            pass


def test_no_secret_is_in_the_log_of_anything_that_fails(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    viewer = command(file, "add", "viewer", "--role", "viewer")
    unknown = f"derhead_{secrets.token_urlsafe(32)}"
    of_agent = f"derhead_{secrets.token_urlsafe(32)}"
    password, basic, cookie = (f"{name}{secrets.token_hex(12)}" for name in ("pw", "bs", "ck"))
    settings = {
        "tokens": str(file),
        "agent_tokens": True,
        "log_level": "debug",
        "postgres": {
            "dsn": f"postgresql://derhead@127.0.0.1:{free_port()}/derhead",
            "password_file": str(tmp_path / "password"),
            "start_wait_s": 0,
        },
    }
    (tmp_path / "password").write_text(password)
    (tmp_path / "password").chmod(0o600)
    order = {"asset_id": BATTERY, "mw": 0.5, "duration_s": 60}
    with running(tmp_path, fleet(), settings) as world:
        headend = world.start_headend()
        (tmp_path / "agent.token").write_text(of_agent)
        (tmp_path / "agent.token").chmod(0o600)
        agent = world.start_agent(BATTERY, "--token-file", tmp_path / "agent.token")
        with httpx.Client(base_url=world.base) as client:
            for headers in (
                bearer(unknown),
                {"Authorization": f"Basic {basic}"},
                {"Authorization": f"Bearer {unknown} {basic}"},
                {"Cookie": f"derhead_login={cookie}"},
                {"Cookie": f"derhead_login={cookie}", "Origin": "http://evil.example"},
            ):
                client.get("/telemetry", headers=headers)
                client.post("/dispatch", headers=headers, json=order)
            client.post("/login", json={"token": unknown})
            client.post("/login", content=f'{{"token": "{unknown}"')
            client.get(f"/telemetry/{unknown}", headers=bearer(viewer))
            client.get("/telemetry", headers=bearer(viewer), params={"token": unknown})
            logged_in = client.post("/login", json={"token": viewer})
            assert logged_in.status_code == 200, logged_in.text
            issued = [each.value for each in client.cookies.jar if each.value]
            assert issued
            assert client.post("/dispatch", json=order).status_code in (401, 403)
        head = f"GET / HTTP/1.1\r\nAuthorization: Bearer {unknown}\r\nCookie: {cookie}\r\n"
        send_raw(world.http_port, head.encode() + b"broken\x00header\r\n\r\n")
        send_raw(world.grpc_port, head.encode() + b"\r\n")
        file.write_text(f"{file.read_text()}\n{unknown}: [")
        headend.send(signal.SIGHUP)
        for event in (
            f'event="derhead starts" version={__version__}',
            'event="access refused"',
            'event="PostgreSQL cannot be fed',
            'event="not reloaded" what=tokens',
            'event="connection ends"',
        ):
            eventually(f"{event} is logged", partial(contains, headend, event))
        eventually("the agent was refused", lambda: "event=disconnected" in agent.text())
        assert f'event="deragent starts" version={__version__}' in agent.text()
        agent.stop()
        assert headend.stop() == 0
        # Headers in the coding of HTTP/2 are no secret to who reads them.
        assert "logger=hpack" not in headend.text()
        for secret in (viewer, unknown, of_agent, password, basic, cookie, *issued):
            for process in (headend, agent):
                lines = [line for line in process.text().splitlines() if secret in line]
                assert lines == []
