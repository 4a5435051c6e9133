"""Starts every measured server, and knows where it listens."""

import contextlib
import getpass
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contest import Budget
from processes import Child, free_port, running, wait_listening
from workshop import HERE, Workshop, find_program

START_S = 20.0
"""Most time until a server listens, seconds."""

ANSWER_S = 5.0


@dataclass(frozen=True)
class Server:
    """A server that listens on loopback."""

    child: Child
    port: int
    """Port for agents; with REST alone, the port of REST."""
    mqtt: bool = False
    tls: Path | None = None
    """The folder of its agents' certificates; None = it speaks cleartext."""
    http_port: int | None = None
    journal: Path | None = None
    """The journal's file, if this is the real headend."""
    tells: bool = False
    """The server obeys commands: it serves the link alone."""

    def order(self, rate: float, agents: int | None = None) -> None:
        """Dispatches from now on, so many times a second, to all or to the first ``agents``.

        Only if it ``tells``.
        """
        self.child.say(f"orders {rate:g}" if agents is None else f"orders {rate:g} {agents}")

    def acknowledge(self) -> None:
        """Makes the server acknowledge telemetry at once. Only if it ``tells``."""
        self.child.say("acks on")

    def memory(self) -> dict[str, int]:
        """Live bytes by package. Only for the headend's link with ``--trace``."""
        return self.child.ask("memory", ANSWER_S)

    def stats(self) -> dict[str, Any]:
        """Sessions, rows, setpoints' times since last asked. Only if it ``tells``."""
        return self.child.ask("stats", ANSWER_S)


@dataclass(frozen=True)
class Servers:
    """Starts servers, each on the server's core unless told otherwise."""

    workshop: Workshop
    budget: Budget

    @contextlib.contextmanager
    def _announced(
        self, name: str, command: Sequence[object], tls: Path | None = None
    ) -> Iterator[Server]:
        """Starts a server that prints its port."""
        with self._running(name, command) as child:
            port = int(child.hear(self.budget.timeout_s(START_S))["port"])
            yield Server(child, port, tls=tls, tells=True)

    def _running(
        self,
        name: str,
        command: Sequence[object],
        cores: Collection[int] | None = None,
        environment: dict[str, str] | None = None,
    ) -> contextlib.AbstractContextManager[Child]:
        return running(
            name,
            command,
            cores=self.workshop.cores.server if cores is None else cores,
            logs=self.workshop.logs,
            environment=environment,
        )

    def our_link(
        self,
        assets: int,
        journal: Path | None = None,
        without: str | None = None,
        trace: bool = False,
        tls: Path | None = None,
    ) -> contextlib.AbstractContextManager[Server]:
        """The headend's link over an empty store, or over its journal in that folder.

        ``without`` names a piece of ``without.PIECES`` that is taken out; with ``trace`` it
        knows what holds its memory; with ``tls``, the folder of certificates, it and its agents
        show theirs.
        """
        command: list[object] = [sys.executable, HERE / "server_ours.py", "--assets", assets]
        if journal is not None:
            command += ["--journal", journal]
        if without is not None:
            command += ["--without", without]
        if trace:
            command.append("--trace")
        if tls is not None:
            command += ["--tls", tls]
        return self._announced("our-link", command, tls)

    def grpc_aio(self, journal: Path | None = None) -> contextlib.AbstractContextManager[Server]:
        messages = self.workshop.python_messages()
        command: list[object] = [sys.executable, HERE / "peer_grpc_aio.py", "--proto", messages]
        if journal is not None:
            command += ["--journal", journal]
        return self._announced("grpc.aio", command)

    def grpc_go(self) -> contextlib.AbstractContextManager[Server]:
        return self._announced("grpc-go", [self.workshop.go_peer()])

    @contextlib.contextmanager
    def mosquitto(self, cores: Collection[int] | None = None) -> Iterator[Server]:
        """The broker with persistence, in a folder of its own."""
        program = find_program("mosquitto", "mosquitto")
        with self.workshop.scratch() as folder:
            port = free_port()
            config = folder / "mosquitto.conf"
            config.write_text(
                f"listener {port} 127.0.0.1\n"
                "allow_anonymous true\n"
                "persistence true\n"
                f"persistence_location {folder}/\n"
                "autosave_interval 1\n"
                "log_type error\n"
                f"user {getpass.getuser()}\n"
            )
            with self._running("mosquitto", [program, "-c", config], cores) as child:
                wait_listening(child, port, self.budget.timeout_s(START_S))
                yield Server(child, port, mqtt=True)

    @contextlib.contextmanager
    def derhead(
        self,
        assets: Path,
        cores: Collection[int] | None = None,
        certificate: tuple[Path, Path] | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[Server]:
        """The real daemon with its real journal, in a folder of its own.

        ``settings``: more of its environment variables.
        """
        with self.workshop.scratch() as folder:
            port, http_port = free_port(), free_port()
            command = (
                *(sys.executable, "-m", "derhead", "serve", "--assets", assets),
                *("--data", folder / "data", "--grpc", f"127.0.0.1:{port}"),
                *("--http", f"127.0.0.1:{http_port}", "--log-level", "error"),
            )
            # The load generator obeys no turns, and its agents are to come as fast as they can.
            environment = {"DERHEAD_REGISTERS_PER_S": "100000", **settings}
            if certificate is not None:
                environment["DERHEAD_TLS_CERT"] = str(certificate[0])
                environment["DERHEAD_TLS_KEY"] = str(certificate[1])
            with self._running("derhead", command, cores, environment) as child:
                wait_listening(child, http_port, self.budget.timeout_s(START_S))
                yield Server(child, port, http_port=http_port, journal=folder / "data/journal.db")

    @contextlib.contextmanager
    def fastapi(self, latest: Path) -> Iterator[Server]:
        """FastAPI on uvicorn over a saved answer to ``GET /telemetry``."""
        port = free_port()
        command = (
            *(self.workshop.fastapi_python(), HERE / "peer_fastapi.py"),
            *("--port", port, "--latest", latest),
        )
        with self._running("fastapi", command) as child:
            wait_listening(child, port, self.budget.timeout_s(START_S))
            yield Server(child, port, http_port=port)
