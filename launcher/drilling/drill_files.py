"""The folder of a drill: its fleet, the headend's settings and certificate, logs and records."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio
import yaml

from derproto.configuration.assets_text import render_fleet
from derproto.configuration.fleet import Fleet
from derproto.configuration.problems import ConfigError, Problem
from launcher.fleets.drill_fleet import recording

HOST = "127.0.0.1"
RECORDING = ("simulated", "replay")
"""Drivers whose devices keep a record."""


@dataclass(frozen=True, slots=True)
class DrillFiles:
    """Where everything of a drill is."""

    folder: Path

    @property
    def assets(self) -> Path:
        return self.folder / "assets.yaml"

    @property
    def settings(self) -> Path:
        return self.folder / "derhead.yaml"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def headend(self) -> Path:
        """The headend's data folder."""
        return self.folder / "headend"

    @property
    def headend_log(self) -> Path:
        return self.folder / "headend.log"

    @property
    def agents_log(self) -> Path:
        return self.folder / "agents.log"

    @property
    def record(self) -> Path:
        return self.folder / "devices.pipe"

    @property
    def verdict(self) -> Path:
        return self.folder / "verdict.json"

    def of_agent(self, agent_id: str) -> Path:
        """The data folder of an agent."""
        return self.folder / "agents" / agent_id


def check_devices(fleet: Fleet) -> None:
    """Refuses a fleet whose devices cannot be judged. Raises: ConfigError."""
    wrong = sorted({a.device.driver for a in fleet.assets.values()} - {*RECORDING})
    if wrong:
        text = f"driver {wrong[0]} keeps no record; write {' or '.join(RECORDING)} for a drill"
        raise ConfigError([Problem(None, None, "--assets", text)])


async def write_files(
    files: DrillFiles, fleet: Fleet, settings: Mapping[str, float], http_port: int, grpc_port: int
) -> None:
    """Writes what headend and agents read. The links have TLS, so that a changed byte is noticed.

    Raises: OSError; subprocess.CalledProcessError, if no certificate can be made.
    """
    files.folder.mkdir(parents=True)
    files.assets.write_text(render_fleet(recording(fleet, files.record)), encoding="utf-8")
    headend = {
        "http": f"{HOST}:{http_port}",
        "grpc": f"{HOST}:{grpc_port}",
        "http_tls": False,
        "tls_cert": "pki/server.pem",
        "tls_key": "pki/server.key",
        **settings,
    }
    files.settings.write_text(yaml.safe_dump(headend, sort_keys=False), encoding="utf-8")
    for command in (("init",), ("server", HOST)):
        words = [command[0], "--dir", str(files.pki), *command[1:]]
        await trio.run_process(
            [sys.executable, "-m", "derhead", "pki", *words],
            capture_stdout=True,
            stderr=subprocess.STDOUT,
        )
