"""Runs the project's own commands as real processes on loopback sockets."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.api.description import hold_response
from tests.support.fleets import write_fleet
from tests.support.waiting import eventually

FAST = {"telemetry_period_s": 0.5, "heartbeat_period_s": 1.0}
"""Settings of a headend whose test does not wait long for a sample."""


def free_port() -> int:
    """A TCP port on loopback that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """One running command, its output in a file."""

    def __init__(self, log: Path, module: str, *arguments: object) -> None:
        self.log = log
        self._output = log.open("ab")
        self.popen = subprocess.Popen(
            [sys.executable, "-m", module, *(str(argument) for argument in arguments)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        os.kill(self.popen.pid, number)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, within_s: float = 10.0) -> int:
        """SIGTERM; the exit code."""
        self.popen.terminate()
        return self.popen.wait(within_s)

    def close(self) -> None:
        """Kills the process if it still runs, stopped or not."""
        if self.alive:
            self.send(signal.SIGCONT)
            self.kill()
        self._output.close()

    def text(self) -> str:
        return self.log.read_text()


@dataclass
class World:
    """A headend and agents in one folder, on ports of their own."""

    folder: Path
    fleet: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    processes: list[Process] = field(default_factory=list)
    trust: Path | None = None
    """The authority of the headend's certificate, if REST has TLS."""

    @property
    def assets(self) -> Path:
        return self.folder / "assets.yaml"

    @property
    def base(self) -> str:
        return f"{'http' if self.trust is None else 'https'}://127.0.0.1:{self.http_port}"

    @property
    def headend_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def write_files(self) -> None:
        write_fleet(self.folder, self.fleet)
        (self.folder / "derhead.yaml").write_text(yaml.safe_dump(self.settings or {}))

    def start_headend(self, status: int = 200, *more: object) -> Process:
        """Starts ``derhead serve`` and waits until it answers, its health with that status."""
        headend = self.serve(*more)
        eventually(
            "the headend answers",
            lambda: (not headend.alive and headend.text()) or self._answers(status),
        )
        assert headend.alive, headend.text()
        return headend

    def serve(self, *more: object) -> Process:
        """Starts ``derhead serve``."""
        return self._start(
            "derhead",
            *("derhead", "serve", "--assets", self.assets, "--data", self.folder / "derhead"),
            *("--config", self.folder / "derhead.yaml"),
            *("--http", f"127.0.0.1:{self.http_port}", "--grpc", self.headend_address),
            *more,
        )

    def start_agent(self, asset_id: str, *more: object) -> Process:
        """Starts ``deragent run`` for one asset."""
        return self._start(
            f"agent-{asset_id[-4:]}",
            *("deragent", "run", "--assets", self.assets, "--asset", asset_id),
            *("--headend", self.headend_address, "--data", self.folder / f"agent-{asset_id}"),
            *more,
        )

    def start(self, *asset_ids: str) -> list[Process]:
        """Starts a headend and an agent for each asset, and waits until all are online."""
        headend = self.start_headend()
        agents = [self.start_agent(asset_id) for asset_id in asset_ids]
        self.wait_online(*asset_ids)
        return [headend, *agents]

    def start_agent_of_site(self, site: str) -> Process:
        """Starts ``deragent run`` for all assets of a site."""
        return self._start(
            f"agent-{site}",
            *("deragent", "run", "--assets", self.assets, "--site", site),
            *("--headend", self.headend_address, "--data", self.folder / f"agent-{site}"),
        )

    def start_fleet(self) -> Process:
        """Starts ``derlaunch run`` for all assets, in one process."""
        return self._start(
            "fleet",
            *("launcher", "run", "--assets", self.assets, "--headend", self.headend_address),
            "--in-process",
        )

    def start_module(self, name: str, module: str, *arguments: object) -> Process:
        """Starts another module of ours, as a process beside the world's commands."""
        return self._start(name, module, *arguments)

    def _start(self, name: str, module: str, *arguments: object) -> Process:
        process = Process(self.folder / f"{name}.log", module, *arguments)
        self.processes.append(process)
        return process

    def _answers(self, status: int) -> bool:
        try:
            return self._request("GET", "/healthz").status_code == status
        except httpx.TransportError:
            return False

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Sends one request; fails unless the API's description allows the answer."""
        answer = self._request(method, path, timeout=10, **more)
        hold_response(answer)
        return answer

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        if self.trust is not None:
            more["verify"] = ssl.create_default_context(cafile=self.trust)
        return httpx.request(method, f"{self.base}{path}", **more)

    def get(self, path: str, **params: str | int) -> Any:
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def check(self, name: str) -> str:
        """What /readyz says of one part: ``ready``, ``degraded`` or ``unready``."""
        checks = self.ask("GET", "/readyz").json()["checks"]
        (found,) = (each["status"] for each in checks if each["name"] == name)
        return str(found)

    def order(self, asset_id: str, mw: float, **more: Any) -> dict[str, Any]:
        """POST /dispatch."""
        answer = self.ask("POST", "/dispatch", json={"asset_id": asset_id, "mw": mw, **more})
        assert answer.status_code == 201, answer.text
        dispatch: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/dispatch/{dispatch['id']}"
        return dispatch

    def online(self, *asset_ids: str) -> bool:
        agents = self.get("/agents")["items"]
        return {a for agent in agents for a in agent["asset_ids"]} >= set(asset_ids)

    def wait_online(self, *asset_ids: str) -> None:
        eventually(f"{asset_ids} online", lambda: self.online(*asset_ids))

    def wait_state(self, dispatch_id: str, state: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            dispatch: dict[str, Any] = self.get(f"/dispatch/{dispatch_id}")
            return dispatch if dispatch["state"] == state else None

        return eventually(f"dispatch {dispatch_id} {state}", look)

    def history(self, asset_id: str) -> list[dict[str, Any]]:
        """The asset's whole telemetry, newest first, page by page."""
        items: list[dict[str, Any]] = []
        params: dict[str, str | int] = {"limit": 1000}
        while True:
            page = self.get(f"/telemetry/{asset_id}/history", **params)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            params["cursor"] = page["next_cursor"]


@contextmanager
def running(
    folder: Path,
    fleet: dict[str, Any],
    settings: dict[str, Any] | None = None,
    *,
    trust: Path | None = None,
) -> Iterator[World]:
    """A world with its files written; no process of it is left after the block."""
    world = World(folder, fleet, settings or {}, trust=trust)
    world.write_files()
    try:
        yield world
    finally:
        for process in world.processes:
            process.close()
