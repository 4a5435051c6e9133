"""Stands in for a running systemd below a root folder: ``systemctl`` and ``journalctl``.

It does with the installed units what documents tell an operator to do: it starts their commands
and waits until they report that they are ready, ends them, and shows their log. It confines
nothing: the hardening of the units is judged by ``systemd-analyze``.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.support.repository import ROOT
from tests.support.waiting import eventually

INSTALLED = ("/etc/", "/opt/derhead", "/usr/local/", "/var/")
"""Where paths of the machine begin that lie under the root folder here."""

SHIM = """#!{python}
import sys
sys.path.insert(0, {project!r})
from tests.support.processes.systemd_stand_in import main
sys.exit(main({name!r}, {root!r}, sys.argv[1:]))
"""


def under(root: Path, text: str) -> str:
    """The text with each path of the machine under the root folder."""
    paths = "|".join(map(re.escape, INSTALLED))
    return re.sub(rf"(?<![\w./-])({paths})", rf"{root}\1", text)


def write_shims(root: Path, folder: Path) -> None:
    """Makes the commands, for the front of a PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("systemctl", "journalctl"):
        shim = folder / name
        shim.write_text(
            SHIM.format(python=sys.executable, project=str(ROOT), name=name, root=str(root))
        )
        shim.chmod(0o755)


@dataclass(frozen=True)
class Unit:
    """One unit, or instance of a template, and what is known of its process."""

    root: Path
    name: str

    @property
    def file(self) -> Path:
        template = re.sub(r"@.*", "@.service", f"{self.name}.service")
        return self.root / "usr/local/lib/systemd/system" / template

    @property
    def log(self) -> Path:
        return self.root / "run" / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.root / "run" / f"{self.name}.pid"

    @property
    def instance(self) -> str:
        return self.name.partition("@")[2]

    @property
    def pid(self) -> int | None:
        """Its process, as long as it runs."""
        try:
            pid = int(self._pid_file.read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return None
        return None if state in "ZX" else pid

    def settings(self) -> dict[str, list[str]]:
        """The values of each setting, in their order."""
        found: dict[str, list[str]] = {}
        for line in self.file.read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and key.isidentifier():
                found.setdefault(key, []).append(value.replace("%i", self.instance))
        return found

    def start(self) -> int:
        """Starts it and waits until it is ready; the exit code."""
        if self.pid is not None:
            return 0
        settings = self.settings()
        (state,) = settings["StateDirectory"]
        folder = self.root / "var/lib" / state
        folder.mkdir(parents=True, exist_ok=True)
        # The configuration names the folder of the machine itself.
        names = ("STATE_DIRECTORY", "DERHEAD_DATA", "DERAGENT_DATA")
        environ = {**os.environ, **dict.fromkeys(names, str(folder))}
        environ |= dict(each.split("=", 1) for each in settings.get("Environment", []))
        (command,) = settings["ExecStart"]
        words = [under(self.root, os.path.expandvars(word)) for word in shlex.split(command)]
        words = [re.sub(r"\$\{(\w+)\}", lambda m: environ[m[1]], word) for word in words]
        if settings["Type"] != ["notify"]:
            self._run(words, environ)
            return 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            address = f"derhead-{uuid4()}"
            manager.bind(f"\0{address}")
            manager.settimeout(0.1)
            process = self._run(words, environ | {"NOTIFY_SOCKET": f"@{address}"})
            while process.poll() is None:
                with suppress(TimeoutError):
                    if "READY=1" in manager.recv(1000).decode().splitlines():
                        return 0
        print(f"Job for {self.name} failed; see journalctl -u {self.name}", file=sys.stderr)
        return 1

    def _run(self, words: list[str], environ: dict[str, str]) -> "subprocess.Popen[bytes]":
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                words, stdout=log, stderr=log, env=environ, start_new_session=True, cwd="/"
            )
        self._pid_file.write_text(str(process.pid))
        return process

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it, and waits until it is gone."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)
            # systemd wakes what sleeps, so that it can end.
            os.kill(pid, signal.SIGCONT)
            eventually(f"{self.name} ends", lambda: self.pid is None)
        return 0

    def reload(self) -> int:
        pid = self.pid
        if pid is None:
            return 1
        os.kill(pid, signal.SIGHUP)
        return 0

    def status(self) -> int:
        """Shows whether it runs, and its last lines; 3 if it does not run."""
        print(f"{self.name}: {'inactive' if self.pid is None else f'active, pid {self.pid}'}")
        self.show_log(10)
        return 0 if self.pid is not None else 3

    def is_active(self) -> int:
        print("inactive" if self.pid is None else "active")
        return 0 if self.pid is not None else 3

    def show_log(self, lines: int) -> None:
        if self.log.exists():
            print(*self.log.read_text().splitlines()[-lines:], sep="\n")


def units(root: Path) -> Iterator[Unit]:
    """Every unit that was ever started."""
    for file in sorted((root / "run").glob("*.pid")):
        yield Unit(root, file.name.removesuffix(".pid"))


def named(root: Path, pattern: str) -> list[Unit]:
    """The units that a name means; ``deragent@*`` means those that run."""
    name = pattern.removesuffix(".service")
    if "*" not in name:
        return [Unit(root, name)]
    return [unit for unit in units(root) if unit.pid is not None and Path(unit.name).match(name)]


def end_all(root: Path) -> None:
    """Kills what is left."""
    for unit in units(root):
        unit.stop(signal.SIGKILL)


ACTIONS: dict[str, Callable[[Unit], int]] = {
    "start": Unit.start,
    "stop": Unit.stop,
    "restart": lambda unit: unit.stop() or unit.start(),
    "reload": Unit.reload,
    "status": Unit.status,
    "is-active": Unit.is_active,
    # Whether a unit is enabled matters at the next boot, which does not come here.
    "enable": lambda unit: 0 if unit.file.exists() else 1,
    "disable": lambda unit: 0,
}


def main(program: str, root: str, arguments: list[str]) -> int:
    """Does what the command would do; refuses what it does not know."""
    if program == "journalctl":
        return _journalctl(Path(root), arguments)
    verb, *names = [each for each in arguments if each not in ("--no-pager", "--quiet")]
    if verb == "daemon-reload":
        return 0
    return max(
        (ACTIONS[verb](unit) for name in names for unit in named(Path(root), name)), default=0
    )


def _journalctl(root: Path, arguments: list[str]) -> int:
    unit, lines = "", 1000
    words = iter(arguments)
    for word in words:
        match word:
            case "-u":
                unit = next(words)
            case "-n":
                lines = int(next(words))
            case "--no-pager":
                pass
            case _:
                print(f"the stand-in for journalctl does not know {word}", file=sys.stderr)
                return 2
    for found in named(root, unit):
        found.show_log(lines)
    return 0
