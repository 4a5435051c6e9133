"""Prometheus and promtool, as Debian has them: for the figures, the alerts and the dashboard.

``python -m tests.support.processes.prometheus_tools`` prints their paths. It exits with code 1 if
one is missing. ``scripts/test`` then unpacks both into ``var/prometheus``: Debian's package would
also start a service.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.processes.world import free_port
from tests.support.repository import ROOT
from tests.support.waiting import eventually

PROGRAMS = ("prometheus", "promtool")
FOLDER = ROOT / "var/prometheus"


def find_program(name: str) -> str | None:
    """The program; None if it is not on this machine."""
    return shutil.which(name) or shutil.which(name, path=str(FOLDER))


def _program(name: str) -> str:
    found = find_program(name)
    assert found is not None, f"{name} is not here: run scripts/test, which unpacks it"
    return found


def promtool(*arguments: str | Path, given: str = "") -> str:
    """What promtool says; fails if it finds anything wrong."""
    done = subprocess.run(
        [_program("promtool"), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@dataclass
class Prometheus:
    """A Prometheus that runs."""

    client: httpx.Client

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now. Fails if Prometheus cannot evaluate it."""
        answer = self.client.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def targets_up(self, count: int) -> bool:
        """Whether so many targets were scraped, each at least twice."""
        try:
            is_ready = self.client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False
        return is_ready and len(self.query("count_over_time(up[1m]) >= 2 and up == 1")) == count


@contextmanager
def running_prometheus(folder: Path, settings: Mapping[str, Any]) -> Iterator[Prometheus]:
    """A Prometheus with those settings and its data in the folder; gone after the block."""
    folder.mkdir()
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(dict(settings)), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [_program("prometheus"), f"--config.file={config}", f"--web.listen-address={address}"]
    command.append(f"--storage.tsdb.path={folder / 'data'}")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=10) as client:
            prometheus = Prometheus(client)
            count = len(settings["scrape_configs"])
            eventually(
                "targets are scraped",
                lambda: process.poll() is not None or prometheus.targets_up(count),
            )
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            yield prometheus
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    found = [find_program(name) for name in PROGRAMS]
    print(found)
    sys.exit(None in found)
