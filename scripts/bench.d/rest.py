"""Subject ``rest``: the two busiest endpoints of the real headend, with 1,000 assets.

Against FastAPI on uvicorn with the same answers from a dict. ``wrk`` asks, on 32 connections.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asking import get_items, get_text
from contest import Budget, Contestant, Sheet, compete
from errors import Failed, Unavailable
from fleets import asset_id, write_agents, write_assets
from generator import connected
from measures import OURS, Findings, Measure
from processes import running
from servers import Server, Servers
from workshop import HERE, Workshop, find_program

ASSETS = 1000
CONNECTIONS = 32
WARMUP_S = 1
ANSWER_S = 10
"""How long an answer may take."""

ONE = Measure("rest_requests_per_s", "GET /telemetry/{id}, each of 1,000 in turn (requests/s)")
ALL = Measure("rest_all_requests_per_s", "GET /telemetry of 1,000 assets (requests/s)")
ONE_TLS = Measure("rest_tls_requests_per_s", "the same of one over TLS (requests/s)")
ALL_TLS = Measure("rest_all_tls_requests_per_s", "the same of all over TLS (requests/s)")
MEASURES = (ONE, ALL, ONE_TLS, ALL_TLS)
KEYS = (ONE.key, ALL.key)
TLS_KEYS = (ONE_TLS.key, ALL_TLS.key)


@dataclass(frozen=True)
class Files:
    """The files of a run."""

    paths: Path
    """A path of ``GET /telemetry/{id}`` a line."""
    assets: Path
    agents: Path
    latest: Path
    """An answer to ``GET /telemetry``, for the peer."""


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    find_program("wrk", "wrk")
    workshop.agents()
    with contextlib.suppress(Unavailable):
        # The peer's turn repeats the message.
        workshop.fastapi_python()
    budget.restart()
    with workshop.scratch() as folder:
        files = Files(
            folder / "paths.txt",
            write_assets(folder / "assets.yaml", ASSETS),
            write_agents(folder / "agents.txt", ASSETS, 1),
            folder / "latest.json",
        )
        files.paths.write_text("".join(f"/telemetry/{asset_id(n)}\n" for n in range(ASSETS)))
        ask = partial(_measure, workshop, budget, files, KEYS)
        ask_tls = partial(_measure, workshop, budget, files, TLS_KEYS)
        headend = partial(_headend, workshop, budget, servers, files)
        contestants = [
            Contestant(OURS, KEYS, partial(ask, headend)),
            Contestant(OURS, TLS_KEYS, partial(ask_tls, partial(headend, "https"))),
            Contestant("fastapi", KEYS, partial(ask, partial(_fastapi, servers, files))),
        ]
        return compete(MEASURES, contestants, budget, main_peer="fastapi", tell=workshop.tell)


@contextmanager
def _headend(
    workshop: Workshop, budget: Budget, servers: Servers, files: Files, scheme: str = "http"
) -> Iterator[Server]:
    """A headend whose agents are connected and have each sent a sample."""
    settings = {}
    if scheme == "https":
        _, certificate, key = workshop.certificates()
        settings = {"DERHEAD_HTTP_TLS_CERT": str(certificate), "DERHEAD_HTTP_TLS_KEY": str(key)}
    with (
        servers.derhead(files.assets, settings=settings) as server,
        connected(workshop, budget, files.agents, server.port) as agents,
    ):
        agents.require_all()
        agents.go(server, rate=ASSETS, rows=1, warmup_s=0.5, seconds=1.5)
        assert server.http_port is not None
        items = get_items(server.http_port, "/telemetry", 10, scheme=scheme)
        spoken = [item for item in items if item["ts"]]
        if len(spoken) < ASSETS:
            raise Failed(f"only {len(spoken):,} of {ASSETS:,} assets have a sample")
        files.latest.write_text(get_text(server.http_port, "/telemetry", 10, scheme=scheme))
        yield server


@contextmanager
def _fastapi(servers: Servers, files: Files) -> Iterator[Server]:
    if not files.latest.exists():
        raise Failed("the headend gave no telemetry to answer with")
    with servers.fastapi(files.latest) as server:
        yield server


def _measure(
    workshop: Workshop,
    budget: Budget,
    files: Files,
    keys: tuple[str, str],
    start: Callable[[], AbstractContextManager[Server]],
    sheet: Sheet,
) -> None:
    one, everything = keys
    scheme = "https" if keys == TLS_KEYS else "http"
    in_turn = ("-s", HERE / "rotate.lua")
    with start() as server:
        base = f"{scheme}://127.0.0.1:{server.http_port}"
        for key, path, options, rest in (
            (one, "/", in_turn, ("--", files.paths)),
            (everything, "/telemetry", (), ()),
        ):
            ask = partial(_requests_per_s, workshop, base + path, options, rest)
            ask(WARMUP_S)
            sheet.put(key, ask(budget.pick(3, 6)))


def _requests_per_s(
    workshop: Workshop,
    url: str,
    options: tuple[object, ...],
    rest: tuple[object, ...],
    seconds: int,
) -> float:
    """Runs ``wrk``; returns its counts. Raises: Failed, also if an answer was not 200."""
    command = (
        *(find_program("wrk", "wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"),
        *("--timeout", f"{ANSWER_S}s", *options),
        *(url, *rest),
    )
    with running("wrk", command, cores=workshop.cores.generator, logs=workshop.logs) as child:
        said = child.wait(seconds + 2 * ANSWER_S).decode()
    return read_wrk(said)


def read_wrk(said: str) -> float:
    """Requests a second from the output of ``wrk``. Raises: Failed if an answer was no success."""
    wrong = re.search(r"Non-2xx.*|Socket errors.*", said)
    if wrong:
        raise Failed(f"wrk: {wrong[0].strip()}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None:
        raise Failed(f"wrk said {said[:200]!r}")
    return float(found[1])
