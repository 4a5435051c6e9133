"""A machine for documents: what they tell an operator to type runs below a root folder.

``scripts/install`` fills the folder, with the environment of the tests as its program. Paths,
addresses and systemd's commands are those of the documents to whoever writes them, and those of the
folder to what runs.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.processes import systemd_stand_in as stand_in
from tests.support.processes.world import free_port
from tests.support.repository import ROOT
from tests.support.waiting import eventually

BLOCK = re.compile(r"^```sh(?: (fails|over))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block to run. One that ``fails`` shows trouble; one that is ``over`` succeeds in time."""

# Errors of HTTP are errors of curl, which else says nothing of its progress.
CURL = "fail-with-body\nsilent\nshow-error\nmax-time = 20\n"

CURRENT = "/opt/derhead/current"


@dataclass
class Machine:
    """The root folder, and the addresses that its headend has."""

    root: Path
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def path(self, place: str) -> Path:
        """Where a file of the machine lies here."""
        return self.root / place.lstrip("/")

    def unit(self, name: str) -> stand_in.Unit:
        return stand_in.Unit(self.root, name)

    def prepare(self) -> None:
        """Puts the tests' own environment where ``scripts/install`` would make one."""
        asked = 'set -euo pipefail; root=""; . scripts/install.d/steps.sh; name_release'
        name = self._bash(asked).stdout.strip()
        self.add_release(name)
        stand_in.write_shims(self.root, self.root / "shims")
        (self.root / ".curlrc").write_text(CURL, encoding="utf-8")

    def add_release(self, name: str) -> None:
        """Another version that can be switched to; it is the same program."""
        release = self.path(f"/opt/derhead/releases/{name}")
        release.mkdir(parents=True)
        (release / "bin").symlink_to(Path(sys.executable).parent)
        (release / ".whole").touch()

    def run(self, code: str, *, marked: str = "") -> str:
        """Runs a block as a document has it; what it said."""
        if marked == "over":
            return eventually(code, lambda: self._succeeded(code))
        done = self._bash(self.localized(code))
        said = f"{code}\nsaid {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) is (marked == "fails"), said
        return done.stdout

    def run_document(self, text: str) -> list[str]:
        """Runs every block in its order; what each said."""
        blocks = BLOCK.findall(text)
        assert blocks
        return [self.run(code, marked=marked) for marked, code in blocks]

    def localized(self, code: str) -> str:
        """The code with this machine's paths and addresses."""
        code = stand_in.under(self.root, code)
        code = code.replace("localhost:8080", f"127.0.0.1:{self.http_port}")
        code = code.replace("127.0.0.1/50051", f"127.0.0.1/{self.grpc_port}")
        code = code.replace("127.0.0.1:50051", f"127.0.0.1:{self.grpc_port}")
        # Its users exist in the root folder only.
        code = re.sub(r"\binstall -o \w+", "install", code)
        code = re.sub(r"(?<=[\s(])pki\b(?=/|$)", f"{self.root}/pki", code, flags=re.MULTILINE)
        return re.sub(r"(scripts/(?:un)?install)\b", rf"\1 --root {self.root}", code)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.base}{path}", timeout=10)

    def _succeeded(self, code: str) -> str | None:
        done = self._bash(self.localized(code))
        return (done.stdout or "done") if done.returncode == 0 else None

    def _bash(self, code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=ROOT,
            env={
                **os.environ,
                "CURL_HOME": str(self.root),
                "DERHEAD_HTTP": f"127.0.0.1:{self.http_port}",
                "DERHEAD_GRPC": f"127.0.0.1:{self.grpc_port}",
                "DERHEAD_DATA": str(self.path("/var/lib/derhead")),
                "DERHEAD_URL": self.base,
                "DERAGENT_HEADEND": f"127.0.0.1:{self.grpc_port}",
                "DERLAUNCH_HEADEND": f"127.0.0.1:{self.grpc_port}",
                "PATH": f"{self.root}/shims:{self.root}{CURRENT}/bin:{os.environ['PATH']}",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@contextmanager
def operated(folder: Path) -> Iterator[Machine]:
    """A fresh machine in a folder; no process of it is left after the block."""
    machine = Machine(folder / "root")
    machine.prepare()
    try:
        yield machine
    finally:
        stand_in.end_all(machine.root)
